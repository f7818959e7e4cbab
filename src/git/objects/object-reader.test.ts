import { readdir, readFile, rm } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readObjects } from "./object-reader.js";
import { writeBlob } from "../store/repository.js";
import { updateRef } from "../store/refs.js";
import { GitError } from "../process/run.js";
import { commitFiles, testRepository } from "#test/support/git/test-repository.js";

let repoPath = "";
let dispose = async (): Promise<void> => undefined;

beforeAll(async () => {
  ({ repoPath, dispose } = await testRepository());
});
afterAll(() => dispose());

/** The reader processes of a repository. */
async function readersOf(folder: string): Promise<number[]> {
  const found: number[] = [];
  for (const name of await readdir("/proc")) {
    const read = (file: string) => readFile(`/proc/${name}/${file}`, "latin1").catch(() => "");
    if (!/^\d+$/.test(name) || !(await read("cmdline")).includes("cat-file\0--batch-command"))
      continue;
    if ((await read("environ")).split("\0").includes(`GIT_DIR=${folder}`)) found.push(Number(name));
  }
  return found;
}

/** A process's state as the kernel gives it, such as `T` for stopped. */
async function stateOf(pid: number | undefined): Promise<string | undefined> {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  return /^State:\t(\w)/m.exec(status)?.[1];
}

describe("readObjects", () => {
  it("finds objects by every kind of name, in order, and reports missing ones", async () => {
    const commit = await commitFiles(repoPath, [], { "d/x": "content\n", "new\nline": "n" });
    await updateRef(repoPath, "refs/heads/found", commit, null);
    const names = ["refs/heads/found^{commit}", "nosuch", `${commit}:d/`, `${commit}:new\nline`];
    const found = await readObjects(repoPath, names, "contents");
    expect(found.map((object) => object?.type)).toEqual(["commit", undefined, "tree", "blob"]);
    expect(found[0]?.oid).toBe(commit);
    expect(found[1]).toBeNull();
    expect(found[3]?.content?.toString()).toBe("n");
    const info = await readObjects(repoPath, [`${commit}^{tree}`, `${commit}:d/nosuch`], "info");
    expect(info).toMatchObject([{ type: "tree", content: null }, null]);
    expect(await readObjects(repoPath, [], "info")).toEqual([]);
  });

  it("returns contents larger than a pipe buffer, and arbitrary bytes", async () => {
    const text = Array.from({ length: 200_000 }, (_, at) => `line ${at} \u00e9\0`).join("\n");
    const big = await writeBlob(repoPath, text);
    const empty = await writeBlob(repoPath, "");
    const [one, two, three] = await readObjects(repoPath, [big, empty, big], "contents");
    expect(one?.content?.equals(Buffer.from(text))).toBe(true);
    expect(two?.content).toHaveLength(0);
    expect(three?.content?.equals(one?.content ?? Buffer.of())).toBe(true);
  });

  it("serves concurrent requests with one process", async () => {
    const texts = Array.from({ length: 200 }, (_, at) => `text ${at}`);
    const oids = await Promise.all(texts.map((text) => writeBlob(repoPath, text)));
    const found = await Promise.all(
      oids.map((oid) => readObjects(repoPath, [oid, oid], "contents")),
    );
    expect(found.map(([, second]) => second?.content?.toString())).toEqual(texts);
    expect(await readersOf(repoPath)).toHaveLength(1);
  });

  it("sees objects and references that changed since the last request", async () => {
    const first = await commitFiles(repoPath, [], { a: "1" });
    const ref = "refs/heads/moving";
    const tip = async () => (await readObjects(repoPath, [`${ref}^{commit}`], "info"))[0]?.oid;
    expect(await tip()).toBeUndefined();
    await updateRef(repoPath, ref, first, null);
    expect(await tip()).toBe(first);
    const second = await commitFiles(repoPath, [first], { a: "2" });
    await updateRef(repoPath, ref, second, first);
    expect(await tip()).toBe(second);
  });

  it("replaces a killed process; pending requests fail", async () => {
    // A name that only git resolves: the object itself would be read without it.
    const name = `${await writeBlob(repoPath, "after a kill")}^{blob}`;
    await readObjects(repoPath, [name], "info");
    const [pid] = await readersOf(repoPath);
    expect(pid).toBeGreaterThan(1);
    process.kill(pid as number, "SIGSTOP");
    await expect.poll(() => stateOf(pid)).toBe("T");
    const asked = readObjects(repoPath, [name], "contents");
    process.kill(pid as number, "SIGKILL");
    await expect(asked).rejects.toThrow(GitError);
    const [found] = await readObjects(repoPath, [name], "contents");
    expect(found?.content?.toString()).toBe("after a kill");
    expect(await readersOf(repoPath)).not.toContain(pid);
  });

  it("fails for a folder that is not a repository, and stops idle processes", async () => {
    await expect(readObjects("/nonexistent/store.git", ["HEAD"], "info")).rejects.toThrow(GitError);
    const other = await testRepository();
    await commitFiles(other.repoPath, [], { a: "1" });
    await readObjects(other.repoPath, ["HEAD"], "info");
    await rm(other.repoPath, { recursive: true });
    await expect.poll(() => readersOf(other.repoPath)).toEqual([]);
    await other.dispose();
  });

  it("limits the number of processes", async () => {
    const stores = await Promise.all(Array.from({ length: 20 }, () => testRepository()));
    await Promise.all(stores.map((store) => readObjects(store.repoPath, ["HEAD"], "info")));
    const left = async (): Promise<number> => {
      const counts = await Promise.all(
        stores.map(async (store) => (await readersOf(store.repoPath)).length),
      );
      return counts.reduce((sum, count) => sum + count, 0);
    };
    await expect.poll(left).toBeLessThanOrEqual(16);
    await Promise.all(stores.map((store) => store.dispose()));
  });
});
