import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Workspace } from "#shared/api/code/workspaces.js";
import { RestartableServer } from "../support/crash/restartable-server.js";
import { createGitKey, openCloneFactory, withKey, type Clone } from "../support/git/clone.js";

describe("a server that is killed during pushes", () => {
  const server = new RestartableServer();
  let key: string;
  let clones: Awaited<ReturnType<typeof openCloneFactory>>;
  const workspaces: Workspace[] = [];
  /** The target branches, each with its clone and acknowledged commits. */
  const branches = new Map<string, { clone: Clone; acknowledged: string[]; made: number }>();

  beforeAll(async () => {
    clones = await openCloneFactory();
    await server.open();
    await server.createProject();
    key = await createGitKey(server);
    for (const type of ["local", "remote"] as const) {
      workspaces.push(await server.createWorkspace(type));
    }
    for (const branch of ["main", ...workspaces.map(({ branch_name }) => branch_name)]) {
      const clone = await clones.clone(server.cloneUrl, key, "--branch", branch);
      branches.set(branch, { clone, acknowledged: [], made: 0 });
    }
  });
  afterAll(async () => {
    await clones.dispose();
    await server.close();
  });

  async function restart(): Promise<void> {
    await server.waitForKill();
    await server.start();
    for (const { clone } of branches.values()) {
      await clone.git("remote", "set-url", "origin", withKey(server.cloneUrl, key));
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
        if (answers === 5) setTimeout(() => server.signal("SIGKILL"), round * 23);
      }),
    );
    await Promise.all(working);
    await restart();
    await verifyConsistency();
  });

  test("and accepts the rest", async () => {
    for (const [branch, { clone }] of branches) {
      expect((await clone.push(`HEAD:${branch}`)).code).toBe(0);
    }
    await verifyConsistency();
    for (const { clone, made } of branches.values()) {
      const names = (await clone.git("ls-tree", "--name-only", "HEAD")).split("\n");
      expect(names).toHaveLength(made);
    }
  });

  async function verifyConsistency(): Promise<void> {
    for (const [branch, { acknowledged }] of branches) {
      expect(await server.listCommits(branch)).toEqual(expect.arrayContaining(acknowledged));
    }
    for (const { agent_id, branch_name, parent_commit, working_directory } of workspaces) {
      const params = { agent_id };
      const { data: commits } = await server.api.workspaces.commits({
        params,
        query: { limit: 200 },
      });
      const line = await server.listCommits(branch_name, `^${parent_commit}`);
      expect(commits.map(({ commit_sha }) => commit_sha)).toEqual(line);
      const { data: current } = await server.api.workspaces.get({ params });
      expect([current.status, current.head_commit]).toEqual(["active", line[0] ?? parent_commit]);
      if (working_directory === null) continue;
      const files = await server.git("ls-tree", "--name-only", branch_name);
      for (const name of files.split("\n").filter(Boolean)) {
        const text = await readFile(join(working_directory, name), "utf8");
        expect(text).toBe(`${name.replace(".txt", "")}\n`);
      }
      const body = { commit_type: "checkpoint" } as const;
      expect((await server.api.workspaces.createCommit({ params, body })).data.created).toBe(false);
    }
    await server.git("fsck", "--full", "--strict", "--no-dangling");
    expect(await readdir(join(server.repoPath, "incoming"))).toEqual([]);

    const pending = await server.query(
      `select commit_sha from workspace_commits where state <> 'recorded'
       union all select new_sha from pending_pushes`,
    );
    expect(pending).toEqual([]);
    const received = await server.query<{ commit_sha: string }>(
      "select commit_sha from received_commits",
    );
    const known = new Set(received.map(({ commit_sha }) => commit_sha));
    const roots = await server.listCommits("--max-parents=0", "main");
    const all = await server.listCommits("--branches");
    expect(all.filter((sha) => !known.has(sha) && !roots.includes(sha))).toEqual([]);
  }
});
