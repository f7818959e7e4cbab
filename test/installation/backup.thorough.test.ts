import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  appendFile,
  cp,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Client } from "#shared/contract/client.js";
import type { Workspace } from "#shared/api/code/workspaces.js";
import { builtFile } from "../support/server/built-files.js";
import { omoi } from "../support/server/cli.js";
import { removeDataFolder } from "../support/server/data-folder.js";
import {
  commitFiles,
  folderOf,
  makeOrganization,
  makeProjectWith,
  makeWorkspace,
  mergeIntoBase,
  writeFiles,
} from "../support/fixtures/factories.js";
import { shell, waitForRunEnd } from "../support/fixtures/runs.js";
import { clientOf, startServer, type ServerProcess } from "../support/server/server-process.js";

const person = { email: "ann@example.com", password: "correct staple horse" };

/** All files below a folder with their content, and its folders. */
async function contentOf(folder: string): Promise<Record<string, string | null>> {
  const found: Record<string, string | null> = {};
  for (const entry of await readdir(folder, { withFileTypes: true, recursive: true })) {
    const path = join(entry.parentPath, entry.name);
    found[path.slice(folder.length + 1)] = entry.isFile() ? await readFile(path, "utf8") : null;
  }
  return found;
}

async function signIn(server: ServerProcess): Promise<{ url: string; api: Client }> {
  const url = await server.ready;
  const { data } = await clientOf(url).auth.login({ body: person });
  return { url, api: clientOf(url, data.access_token) };
}

async function stop(server: ServerProcess): Promise<void> {
  server.process.kill("SIGTERM");
  expect((await server.ended).code).toBe(0);
}

describe("omoi admin backup and restore", () => {
  let root: string;
  let dataDir: string;
  let backup: string;
  let workspace: Workspace;
  let key: string;
  let runId: string;
  let orgId: string;
  /** The workspace's files and unsaved changes at the time of the backup. */
  let files: Record<string, string | null>;
  let changes: unknown;
  let commitsBefore: number;
  let report: { rows: number; workspaces: number };

  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), "omoi-backup-"));
    dataDir = join(root, "data");
    backup = join(root, "backup");
    const server = startServer({ OMOI_DATA_DIR: dataDir, OMOI_SANDBOX: "off" });
    const url = await server.ready;
    await clientOf(url).auth.register({ body: person });
    const { api } = await signIn(server);
    const owner = { api };
    key = (await api.apiKeys.create({ body: { name: "CI" } })).data.key as string;
    orgId = (await makeOrganization(owner)).id;
    const project = await makeProjectWith(owner, orgId, {
      "old/a.txt": "a\n",
      "old/b.txt": "b\n",
      "replaced/c.txt": "c\n",
      "gone.txt": "gone\n",
    });
    ({ workspace } = await makeWorkspace(owner, project.id));
    await commitFiles(owner, workspace, { "first.txt": "first\n" });
    await mergeIntoBase(owner, workspace);
    const params = { agent_id: workspace.agent_id };
    const { data: run } = await api.runs.create({ params, body: { command: shell("echo kept") } });
    runId = run.id;
    await waitForRunEnd(owner, runId);
    // Overlay attributes: a renamed folder, a replaced one, and a deleted file.
    const folder = folderOf(workspace);
    await rename(join(folder, "old"), join(folder, "renamed"));
    await rm(join(folder, "replaced"), { recursive: true });
    await mkdir(join(folder, "replaced"));
    await writeFile(join(folder, "replaced/new.txt"), "new\n");
    await rm(join(folder, "gone.txt"));
    await writeFiles(workspace, { "unsaved.txt": "unsaved\n" });
    files = await contentOf(folder);
    changes = (await api.workspaces.changes({ params })).data;

    // Concurrent commits, merges and creations.
    const { workspace: busy } = await makeWorkspace(owner, project.id);
    const over = new AbortController();
    const working = (async () => {
      for (let round = 0; !over.signal.aborted; round += 1) {
        await commitFiles(owner, busy, { [`busy-${round}.txt`]: `${round}\n` });
        if (round % 3 === 0) await mergeIntoBase(owner, busy);
        if (round % 4 === 0) await makeOrganization(owner);
      }
    })();
    await pause(500);
    const made = await omoi({ OMOI_DATA_DIR: dataDir }, "admin", "backup", backup, "--json");
    over.abort();
    await working;
    expect([made.code, made.err]).toEqual([0, ""]);
    report = JSON.parse(made.out) as typeof report;
    commitsBefore = (await api.workspaces.commits({ params, query: {} })).data.length;
    await stop(server);
  }, 180_000);
  afterAll(() => removeDataFolder(root));

  const restoreTo = (name: string, env: Record<string, string> = {}) =>
    omoi({ OMOI_DATA_DIR: join(root, name), ...env }, "admin", "restore", backup);

  /** Checks that a data folder contains everything from the moment of the backup. */
  const expectWhole = async (folder: string): Promise<void> => {
    const server = startServer({ OMOI_DATA_DIR: folder, OMOI_SANDBOX: "off" });
    const { url, api } = await signIn(server);
    expect((await clientOf(url, key).auth.me()).data.email).toBe(person.email);
    const params = { agent_id: workspace.agent_id };
    expect((await api.workspaces.changes({ params })).data).toEqual(changes);
    const { data: restored } = await api.workspaces.get({ params });
    expect(await contentOf(folderOf(restored))).toEqual(files);
    const commits = await api.workspaces.commits({ params, query: {} });
    expect(commits.data.length).toBe(commitsBefore);
    const log = await fetch(`${url}/api/v1/runs/${runId}/logs`, {
      headers: { authorization: `Bearer ${key}`, accept: "text/plain" },
    });
    expect(await log.text()).toBe("kept\n");
    // All workspaces continue, including the busy one.
    const { data: agents } = await api.agents.list({ query: { organization_id: orgId } });
    expect(agents.length).toBe(3);
    for (const agent of agents) {
      const { data: workspace } = await api.workspaces.get({ params: { agent_id: agent.id } });
      await commitFiles({ api }, workspace, { "after.txt": "after\n" });
      await mergeIntoBase({ api }, workspace);
    }
    await stop(server);
    const env = { OMOI_DATA_DIR: folder };
    for (const script of ["verify-audit", "verify-merges"]) {
      const verified = spawn(process.execPath, [builtFile(`server/admin/${script}.js`)], {
        env: { PATH: process.env["PATH"], ...env },
        stdio: ["ignore", "pipe", "inherit"],
      });
      let said = "";
      verified.stdout.setEncoding("utf8").on("data", (text: string) => (said += text));
      const [code] = await once(verified, "close");
      expect([code, said]).toEqual([0, expect.not.stringContaining("BROKEN")]);
    }
  };

  test("restores everything as it was at one moment", async () => {
    expect(report.workspaces).toBe(3);
    const restored = await restoreTo("restored");
    expect([restored.code, restored.err]).toEqual([0, ""]);
    expect(restored.out).toContain(`${report.rows} rows`);
    await expectWhole(join(root, "restored"));
  }, 180_000);

  test("rejects a folder in use, and a non-empty target", async () => {
    const used = await restoreTo("data");
    expect([used.code, used.err]).toEqual([1, expect.stringContaining("is not empty")]);
    const twice = await omoi({ OMOI_DATA_DIR: dataDir }, "admin", "backup", backup);
    expect([twice.code, twice.err]).toEqual([1, expect.stringContaining("is not empty")]);
  });

  test("reports a file that is damaged or missing", async () => {
    const damaged = join(root, "damaged");
    await cp(backup, damaged, { recursive: true });
    const from = (folder: string) =>
      omoi({ OMOI_DATA_DIR: join(root, "never") }, "admin", "restore", folder);
    await appendFile(join(damaged, "refs.tar"), "x");
    expect((await from(damaged)).err).toContain("refs.tar is missing or damaged");
    await rm(join(damaged, "refs.tar"));
    expect((await from(damaged)).err).toContain("refs.tar is missing");
    await rm(join(damaged, "SHA256SUMS"));
    expect((await from(damaged)).err).toContain("is not a complete backup");
    expect(await readdir(root)).not.toContain("never");
  });

  test("is not adopted by a server that is no node, which is not asked either", async () => {
    const args = ["admin", "node", "adopt", "node-2", "--from-backup", backup];
    const { code, err } = await omoi({ OMOI_DATA_DIR: dataDir }, ...args);
    expect([code, err]).toEqual([1, expect.stringContaining("as a node")]);
  });

  test("blocks a start with another secret", async () => {
    const other = await restoreTo("other", { OMOI_SECRET: "another secret ".repeat(3) });
    expect([other.code, other.err]).toEqual([
      1,
      expect.stringContaining("encrypted with another secret"),
    ]);
  });

  test("a repeated restore finishes an interrupted one", async () => {
    const folder = join(root, "cut");
    const isUnfinished = async (): Promise<boolean> =>
      (await readdir(folder).catch((): string[] => [])).includes("restore-under-way");
    for (let round = 0; round < 5; round += 1) {
      await rm(folder, { recursive: true, force: true });
      const child = spawn(
        process.execPath,
        [builtFile("cli/main.js"), "admin", "restore", backup],
        {
          env: { PATH: process.env["PATH"], OMOI_DATA_DIR: folder },
          stdio: "ignore",
        },
      );
      const ended = once(child, "close");
      // A kill before the marker exists would leave nothing to finish.
      await expect.poll(isUnfinished, { interval: 5, timeout: 120_000 }).toBe(true);
      // Soon after the marker the first time, so that at least one restore is interrupted.
      await pause(Math.random() * (round === 0 ? 100 : 5000));
      child.kill("SIGKILL");
      await ended;
      const isInterrupted = await isUnfinished();
      if (round === 0) expect(isInterrupted).toBe(true);
      if (isInterrupted) {
        const { code, stderr } = await startServer({ OMOI_DATA_DIR: folder }).ended;
        expect([code, stderr]).toEqual([1, expect.stringContaining("was not completed")]);
        expect(await restoreTo("cut")).toMatchObject({ code: 0, err: "" });
      }
    }
    await expectWhole(folder);
  }, 900_000);

  test("rejects a copy without the attributes of overlays, and never commits it", async () => {
    const copy = join(root, "copied");
    const source = join(root, "restored");
    const copied = spawn("cp", ["-r", "--preserve=mode,ownership,timestamps", source, copy]);
    expect((await once(copied, "close"))[0]).toBe(0);
    const server = startServer({ OMOI_DATA_DIR: copy, OMOI_SANDBOX: "off" });
    const { api } = await signIn(server);
    const params = { agent_id: workspace.agent_id };
    const { data } = await api.workspaces.get({ params });
    if (data.folder_driver === "overlay") {
      const body = { commit_type: "checkpoint" } as const;
      await expect(api.workspaces.createCommit({ params, body })).rejects.toMatchObject({
        problem: {
          code: "folder_unavailable",
          detail: expect.stringContaining("extended attributes") as string,
        },
      });
    }
    await stop(server);
  });
});
