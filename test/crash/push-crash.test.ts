import { mkdtemp, readdir, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Client } from "#shared/contract/client.js";
import type { Project } from "#shared/api/projects/projects.js";
import type { Workspace } from "#shared/api/projects/workspaces.js";
import { storageIn } from "#server/data-folder/storage.js";
import { openCloneFactory, type Clone } from "../support/git/clone.js";
import { git } from "../support/git/git.js";
import { clientOf, startServer, type ServerProcess } from "../support/server/server-process.js";
import { removeDataFolder } from "../support/server/data-folder.js";

describe("a server that is killed during pushes", () => {
  let dataDir: string;
  let server: ServerProcess;
  let url: string;
  let token: string;
  let key: string;
  let api: Client;
  let project: Project;
  let clones: Awaited<ReturnType<typeof openCloneFactory>>;
  const workspaces: Workspace[] = [];
  /** The target branches, each with its clone and acknowledged commits. */
  const branches = new Map<string, { clone: Clone; acknowledged: string[]; made: number }>();

  beforeAll(async () => {
    dataDir = await mkdtemp(join(tmpdir(), "omoi-push-crash-"));
    clones = await openCloneFactory();
    await start();
    const person = { email: "ann@example.com", password: "correct staple horse" };
    await clientOf(url).auth.register({ body: person });
    token = (await clientOf(url).auth.login({ body: person })).data.access_token;
    api = clientOf(url, token);
    key = (await api.apiKeys.create({ body: { name: "git", scopes: ["*:*"] } })).data.key as string;
    const { data: org } = await api.organizations.create({ body: { name: "Crash" } });
    const body = { organization_id: org.id, name: "Site" };
    project = (await api.projects.create({ body })).data;
    for (const workspace_type of ["local", "remote"] as const) {
      const agent = { project_id: project.id, name: `worker-${workspace_type}` };
      const { data } = await api.agents.create({ body: agent });
      const params = { agent_id: data.id };
      workspaces.push((await api.workspaces.create({ params, body: { workspace_type } })).data);
    }
    for (const branch of ["main", ...workspaces.map(({ branch_name }) => branch_name)]) {
      const clone = await clones.clone(project.clone_url, key, "--branch", branch);
      branches.set(branch, { clone, acknowledged: [], made: 0 });
    }
  });
  afterAll(async () => {
    server.process.kill("SIGTERM");
    await server.ended;
    await clones.dispose();
    await removeDataFolder(dataDir);
  });

  async function start(): Promise<void> {
    server = startServer({ OMOI_DATA_DIR: dataDir });
    url = await server.ready;
    api = clientOf(url, token);
    for (const { clone } of branches.values()) {
      const address = project.clone_url.replace(/^http:\/\/[^/]+/, url);
      await clone.git("remote", "set-url", "origin", address.replace("://", `://x:${key}@`));
    }
  }

  /** Commits and pushes until the server is gone. */
  async function work(branch: string, done: () => void): Promise<void> {
    const of = branches.get(branch) as { clone: Clone; acknowledged: string[]; made: number };
    for (;;) {
      of.made += 1;
      const sha = await of.clone.commit({ [`${of.made}.txt`]: `${of.made}\n` });
      const { code, stderr } = await of.clone.push(`HEAD:${branch}`);
      if (code !== 0) {
        // Only a broken connection is expected, no rejection.
        expect(stderr).not.toContain("remote rejected");
        return;
      }
      of.acknowledged.push(sha);
      done();
    }
  }

  test.each([1, 2, 3, 4])("loses no accepted push: kill %i", async (round) => {
    let answers = 0;
    const working = [...branches.keys()].map((branch) =>
      work(branch, () => {
        answers += 1;
        // Kills during the pushes in progress.
        if (answers === 5) setTimeout(() => server.process.kill("SIGKILL"), round * 23);
      }),
    );
    await Promise.all(working);
    expect((await server.ended).signal).toBe("SIGKILL");
    await start();
    await everythingAgrees();
  });

  test("and accepts the rest", async () => {
    for (const [branch, { clone }] of branches) {
      expect((await clone.push(`HEAD:${branch}`)).code).toBe(0);
    }
    await everythingAgrees();
    for (const { clone, made } of branches.values()) {
      const names = (await clone.git("ls-tree", "--name-only", "HEAD")).split("\n");
      expect(names).toHaveLength(made);
    }
  });

  async function everythingAgrees(): Promise<void> {
    const repoPath = storageIn(dataDir).repository(project.organization_id, project.id);
    const log = async (...args: string[]) =>
      (await git(["--git-dir", repoPath, "log", "--format=%H", ...args]))
        .split("\n")
        .filter(Boolean);
    for (const [branch, { acknowledged }] of branches) {
      expect(await log(branch)).toEqual(expect.arrayContaining(acknowledged));
    }
    for (const { agent_id, branch_name, parent_commit, working_directory } of workspaces) {
      const params = { agent_id };
      const { data: commits } = await api.workspaces.commits({ params, query: { limit: 200 } });
      const line = await log(branch_name, `^${parent_commit}`);
      expect(commits.map(({ commit_sha }) => commit_sha)).toEqual(line);
      const { data: shown } = await api.workspaces.get({ params });
      expect([shown.status, shown.head_commit]).toEqual(["active", line[0] ?? parent_commit]);
      if (working_directory === null) continue;
      const files = await git(["--git-dir", repoPath, "ls-tree", "--name-only", branch_name]);
      for (const name of files.split("\n").filter(Boolean)) {
        const text = await readFile(join(working_directory, name), "utf8");
        expect(text).toBe(`${name.replace(".txt", "")}\n`);
      }
      const body = { commit_type: "checkpoint" } as const;
      expect((await api.workspaces.createCommit({ params, body })).data.created).toBe(false);
    }
    await git(["--git-dir", repoPath, "fsck", "--full", "--strict", "--no-dangling"]);
    expect(await readdir(join(repoPath, "incoming"))).toEqual([]);

    const database = new pg.Client({
      host: join(dataDir, "postgres"),
      port: 5432,
      user: "postgres",
    });
    await database.connect();
    const { rows } = await database.query(
      `select commit_sha from workspace_commits where state <> 'recorded'
       union all select new_sha from pending_pushes`,
    );
    const { rows: received } = await database.query<{ commit_sha: string }>(
      "select commit_sha from received_commits",
    );
    await database.end();
    expect(rows).toEqual([]);
    const known = new Set(received.map(({ commit_sha }) => commit_sha));
    const roots = await log("--max-parents=0", "main");
    const all = await log("--branches");
    expect(all.filter((sha) => !known.has(sha) && !roots.includes(sha))).toEqual([]);
  }
});
