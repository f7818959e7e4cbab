import { mkdir, mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Client } from "#shared/contract/client.js";
import type { Project } from "#shared/api/projects/projects.js";
import type { Merge } from "#shared/api/projects/merges.js";
import type { Workspace } from "#shared/api/projects/workspaces.js";
import { storageIn } from "#server/data-folder/storage.js";
import { folderOf } from "../support/fixtures/factories.js";
import { git } from "../support/git/git.js";
import {
  clientOf,
  isAlive,
  postgresPid,
  startServer,
  type ServerProcess,
} from "../support/server/server-process.js";
import { removeDataFolder } from "../support/server/data-folder.js";

/** Acknowledged results, which must survive any crash. */
interface Acknowledged {
  commits: Set<string>;
  merges: Set<string>;
  /** Reverted merges, with their reverts. */
  reverts: Map<string, string>;
}

describe("a server that is killed while it works", () => {
  let dataDir: string;
  let server: ServerProcess;
  let url: string;
  let token: string;
  let api: Client;
  let project: Project;
  const workspaces: Workspace[] = [];
  const acknowledged = new Map<string, Acknowledged>();
  let written = 0;

  beforeAll(async () => {
    dataDir = await mkdtemp(join(tmpdir(), "omoi-crash-"));
    await start();
    const person = { email: "ann@example.com", password: "correct staple horse" };
    await clientOf(url).auth.register({ body: person });
    token = (await clientOf(url).auth.login({ body: person })).data.access_token;
    api = clientOf(url, token);
    const { data: org } = await api.organizations.create({ body: { name: "Crash" } });
    const body = { organization_id: org.id, name: "Site" };
    project = (await api.projects.create({ body })).data;
    for (let number = 0; number < 4; number += 1) {
      const agent = { project_id: project.id, name: `worker-${number}` };
      const { data } = await api.agents.create({ body: agent });
      const params = { agent_id: data.id };
      workspaces.push((await api.workspaces.create({ params })).data);
      acknowledged.set(data.id, {
        commits: new Set(),
        merges: new Set(),
        reverts: new Map(),
      });
    }
  });
  afterAll(async () => {
    server.process.kill("SIGTERM");
    await server.ended;
    await removeDataFolder(dataDir);
  });

  async function start(): Promise<void> {
    server = startServer({ OMOI_DATA_DIR: dataDir });
    url = await server.ready;
    api = clientOf(url, token);
  }

  /** Writes, commits, merges, reverts and syncs until the server is gone. */
  async function work(workspace: Workspace, done: () => void): Promise<void> {
    const params = { agent_id: workspace.agent_id };
    const { commits, merges, reverts } = acknowledged.get(workspace.agent_id) as Acknowledged;
    for (;;) {
      const number = (written += 1);
      const folder = join(folderOf(workspace), workspace.agent_name);
      await mkdir(folder, { recursive: true });
      await writeFile(join(folder, `${number}.txt`), `${number}\n`);
      await writeFile(join(folderOf(workspace), "shared.txt"), `${number}\n`);
      try {
        const body = { commit_type: "checkpoint" } as const;
        const { data: commit } = await api.workspaces.createCommit({ params, body });
        if (commit.created) commits.add(commit.commit_sha);
        done();
        const { data: merge } = await api.workspaces.createMerge({ params });
        if (merge.id !== null) merges.add(merge.id);
        done();
        if (merge.id !== null && number % 3 === 0) {
          reverts.set(merge.id, (await revert(workspace, merge.id)).id as string);
          done();
        }
        const { data: synced } = await api.workspaces.sync({ params });
        if (synced.merge_commit_sha !== null) commits.add(synced.merge_commit_sha);
        done();
      } catch (error) {
        // Only a broken connection is expected, no error response.
        if ((error as Error).name === "ApiError") throw error;
        return;
      }
    }
  }

  /** Later changes stay. */
  async function revert(workspace: Workspace, mergeId: string): Promise<Merge> {
    const params = { agent_id: workspace.agent_id, merge_id: mergeId };
    const body = { strategy: "target_wins" } as const;
    return (await api.workspaces.revertMerge({ params, body })).data;
  }

  test.each([1, 2, 3])("loses nothing that it acknowledged: kill %i", async (round) => {
    const postgres = await postgresPid(dataDir);
    let answers = 0;
    await new Promise<void>((resolve, reject) => {
      const working = workspaces.map((workspace) =>
        work(workspace, () => {
          answers += 1;
          if (answers === 12 + round) server.process.kill("SIGKILL");
        }),
      );
      Promise.all(working).then(() => resolve(), reject);
    });
    expect((await server.ended).signal).toBe("SIGKILL");
    expect(await postgresPid(dataDir)).toBe(postgres);

    await start();
    expect(server.stderr()).toContain(`Using the PostgreSQL left running (pid ${postgres})`);
    expect(await postgresPid(dataDir)).toBe(postgres);
    await everythingAgrees();
  });

  test("works on where it was killed, with all written files", async () => {
    for (const workspace of workspaces) {
      await writeFile(join(folderOf(workspace), "last.txt"), workspace.agent_name);
      const params = { agent_id: workspace.agent_id };
      const { data } = await api.workspaces.createMerge({ params });
      expect(["clean", "conflict_resolved"]).toContain(data.status);
      acknowledged.get(workspace.agent_id)?.merges.add(data.id as string);
    }
    await everythingAgrees();
    // A revert of the revert restores the changes.
    for (const workspace of workspaces) {
      const params = { agent_id: workspace.agent_id };
      const { data } = await api.workspaces.merges({ params, query: { limit: 200 } });
      for (const { id, kind } of data) {
        if (kind === "revert") await revert(workspace, id as string);
      }
    }
    await everythingAgrees();
    const repoPath = storageIn(dataDir).repository(project.organization_id, project.id);
    const files = await git(["--git-dir", repoPath, "ls-tree", "-r", "--name-only", "main"]);
    const numbers = [...files.matchAll(/^worker-\d\/(\d+)\.txt$/gm)].map(([, number]) =>
      Number(number),
    );
    expect(numbers.sort((a, b) => a - b)).toEqual(Array.from({ length: written }, (_, i) => i + 1));
    expect(await git(["--git-dir", repoPath, "show", "main:last.txt"])).toBe("worker-3");
  });

  test("stops the PostgreSQL that it adopted", async () => {
    const postgres = (await postgresPid(dataDir)) as number;
    server.process.kill("SIGTERM");
    expect((await server.ended).code).toBe(0);
    expect(isAlive(postgres)).toBe(false);
  });

  /** The lists contain all acknowledged results, and git contains exactly the lists. */
  async function everythingAgrees(): Promise<void> {
    const repoPath = storageIn(dataDir).repository(project.organization_id, project.id);
    const log = async (...args: string[]) =>
      (await git(["--git-dir", repoPath, "log", "--format=%H", ...args]))
        .split("\n")
        .filter(Boolean);
    const root_ = await log("--max-parents=0", "main");
    const merged: string[] = [];
    for (const workspace of workspaces) {
      const params = { agent_id: workspace.agent_id };
      const known = acknowledged.get(workspace.agent_id) as Acknowledged;
      const query = { limit: 200 };
      const { data: commits } = await api.workspaces.commits({ params, query });
      const shas = commits.map(({ commit_sha }) => commit_sha);
      expect(shas).toEqual(expect.arrayContaining([...known.commits]));
      const own = await log("--first-parent", workspace.branch_name, `^${root_[0]}`);
      expect(own).toEqual(shas);
      const { data: shown } = await api.workspaces.get({ params });
      expect([shown.status, shown.head_commit]).toEqual(["active", shas[0]]);

      const { data: merges } = await api.workspaces.merges({ params, query });
      expect(merges.map(({ id }) => id)).toEqual(expect.arrayContaining([...known.merges]));
      for (const [id, revertedBy] of known.reverts) {
        expect(merges.find((merge) => merge.id === id)?.reverted_by).toBe(revertedBy);
      }
      known.reverts.clear();
      const intoMain = merges.filter(({ kind }) => kind !== "sync");
      merged.push(...intoMain.map(({ merge_commit_sha }) => String(merge_commit_sha)));
    }
    expect(merged.sort()).toEqual((await log("--first-parent", "main", `^${root_[0]}`)).sort());
    await git(["--git-dir", repoPath, "fsck", "--full", "--strict", "--no-dangling"]);

    const database = new pg.Client({
      host: join(dataDir, "postgres"),
      port: 5432,
      user: "postgres",
    });
    await database.connect();
    const { rows } = await database.query(
      `select commit_sha from workspace_commits where state <> 'recorded'
       union all select merge_commit from merges where state <> 'done'
       union all select agent_id::text from workspaces where status <> 'active'`,
    );
    const { rows: received } = await database.query<{ missing: number }>(
      `select count(*)::int as missing from (
         select commit_sha from workspace_commits union select merge_commit from merges) c
       where not exists (select from received_commits r where r.commit_sha = c.commit_sha)`,
    );
    await database.end();
    expect([rows, received[0]?.missing]).toEqual([[], 0]);
  }
});
