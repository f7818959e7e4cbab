import { AsyncLocalStorage } from "node:async_hooks";
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { subscribe } from "#shared/node/measurements.js";
import { checkoutDriver } from "../worktree/worktree-driver.js";
import { FolderTooLargeError } from "../files/path-errors.js";
import { git } from "../process/run.js";
import { snapshotFolder } from "./snapshot-folder.js";
import { commitFiles, testRepository } from "#test/support/git/test-repository.js";

/** The live snapshot processes started by this process. */
async function snapshotProcesses(): Promise<number[]> {
  const pids: number[] = [];
  for (const name of await readdir("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const [stat, command] = await Promise.all(
      ["stat", "cmdline"].map((file) => readFile(`/proc/${name}/${file}`, "utf8").catch(() => "")),
    );
    const [state, parent] = stat?.slice(stat.lastIndexOf(")") + 2).split(" ") ?? [];
    const isOne = command?.includes("snapshot-process") || command?.includes("omoi-snapshots");
    if (state !== "Z" && Number(parent) === process.pid && isOne) pids.push(Number(name));
  }
  return pids;
}

describe("the snapshot process", () => {
  let root: string;
  let repoPath: string;
  let commit: string;
  beforeEach(async () => {
    ({ root, repoPath } = await testRepository());
    commit = await commitFiles(repoPath, [], { "a.txt": "a\n" });
  });
  afterEach(() => rm(root, { recursive: true, force: true }));

  /** A folder whose snapshot takes a while. */
  const makeFolder = async (name: string, files: number) => {
    const places = { repoPath, folder: join(root, name), indexFile: join(root, "indexes", name) };
    await checkoutDriver.create({ ...places, commit });
    await mkdir(join(places.folder, "new"));
    await Promise.all(
      Array.from({ length: files }, (_, index) =>
        writeFile(join(places.folder, `new/${index}.txt`), `${name} ${index}\n`),
      ),
    );
    return places;
  };
  const countFiles = async (tree: string): Promise<number> => {
    const { stdout } = await git(["ls-tree", "-r", "--name-only", tree], { gitDir: repoPath });
    return stdout.toString().split("\n").length - 1;
  };

  test("reports its git commands in the context of each snapshot", async () => {
    const folders = await Promise.all([makeFolder("one", 3), makeFolder("two", 3)]);
    const asked = new AsyncLocalStorage<string>();
    const seen: [string | undefined, string][] = [];
    const unsubscribe = subscribe("gitCommand", ({ command }) => {
      seen.push([asked.getStore(), command]);
    });
    await Promise.all(folders.map((input) => asked.run(input.folder, () => snapshotFolder(input))));
    unsubscribe();
    for (const { folder } of folders) {
      const commands = seen.flatMap(([where, command]) => (where === folder ? [command] : []));
      expect(commands).toEqual(expect.arrayContaining(["diff-files", "ls-files", "update-index"]));
    }
    expect(seen.filter(([where]) => where === undefined)).toEqual([]);
  });

  test("is replaced after it was killed, and every folder is still read", async () => {
    const folders = await Promise.all(
      Array.from({ length: 6 }, (_, index) => makeFolder(`f${index}`, 300)),
    );
    for (let round = 0; round < 8; round += 1) {
      await Promise.all(
        folders.map(({ folder }) => writeFile(join(folder, "round.txt"), `${folder} ${round}\n`)),
      );
      const taken = Promise.all(folders.map((places) => snapshotFolder(places)));
      taken.catch(() => undefined);
      await pause(Math.random() * 150);
      const [pid] = await snapshotProcesses();
      if (pid !== undefined) process.kill(pid, "SIGKILL");
      for (const { tree } of await taken) expect(await countFiles(tree)).toBe(302);
    }
  });

  test("a folder that kills every process fails alone", async () => {
    const places = await makeFolder("bad", 2000);
    const over = new AbortController();
    const killing = (async () => {
      while (!over.signal.aborted) {
        for (const pid of await snapshotProcesses()) process.kill(pid, "SIGKILL");
        await pause(20);
      }
    })();
    await expect(snapshotFolder(places)).rejects.toBeInstanceOf(FolderTooLargeError);
    over.abort();
    await killing;
    const good = await makeFolder("good", 3);
    const { tree } = await snapshotFolder(good);
    expect(await countFiles(tree)).toBe(4);
    // Interrupted attempts leave nothing that blocks the next one.
    expect(await countFiles((await snapshotFolder(places)).tree)).toBe(2001);
  });

  test("sees none of the server's secrets and has limits", async () => {
    process.env["OMOI_TEST_SECRET"] = "not for agents";
    await snapshotFolder(await makeFolder("one", 1));
    delete process.env["OMOI_TEST_SECRET"];
    const [pid] = await snapshotProcesses();
    expect(await readFile(`/proc/${pid}/environ`, "utf8")).not.toContain("OMOI_TEST_SECRET");
    const limits = await readFile(`/proc/${pid}/limits`, "utf8");
    expect(limits).toMatch(/Max data size\s+3221225472/);
    expect(limits).toMatch(/Max core file size\s+0/);
  });
});
