import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Merge } from "#shared/api/code/merges.js";
import type { Workspace } from "#shared/api/code/workspaces.js";
import { RestartableServer } from "./restartable-server.js";
import { folderOf } from "../fixtures/factories.js";
import { isAlive, postgresPid } from "../server/server-process.js";

/** Acknowledged results, which must survive any crash. */
interface Acknowledged {
  commits: Set<string>;
  merges: Set<string>;
  /** Reverted merges, with their reverts. */
  reverts: Map<string, string>;
}

/** Declares the tests of a server that works until it is killed, once for each number. */
export const describeKills = (kills: readonly number[]): void => {
  describe("a server that is killed while it works", () => {
    const server = new RestartableServer();
    const workspaces: Workspace[] = [];
    const acknowledged = new Map<string, Acknowledged>();
    let written = 0;

    beforeAll(async () => {
      await server.open();
      await server.createProject();
      for (let count = 0; count < 4; count += 1) {
        const workspace = await server.createWorkspace();
        workspaces.push(workspace);
        acknowledged.set(workspace.agent_id, {
          commits: new Set(),
          merges: new Set(),
          reverts: new Map(),
        });
      }
    });
    afterAll(() => server.close());

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
          const { data: commit } = await server.api.workspaces.createCommit({ params, body });
          if (commit.created) commits.add(commit.commit_sha);
          done();
          const { data: merge } = await server.api.workspaces.createMerge({ params });
          if (merge.id !== null) merges.add(merge.id);
          done();
          if (merge.id !== null && number % 3 === 0) {
            reverts.set(merge.id, (await revert(workspace, merge.id)).id as string);
            done();
          }
          const { data: synced } = await server.api.workspaces.sync({ params });
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
      return (await server.api.workspaces.revertMerge({ params, body })).data;
    }

    test.each(kills)("loses nothing that it acknowledged: kill %i", async (round) => {
      const postgres = await postgresPid(server.dataDir);
      let answers = 0;
      await new Promise<void>((resolve, reject) => {
        const working = workspaces.map((workspace) =>
          work(workspace, () => {
            answers += 1;
            if (answers === 12 + round) server.signal("SIGKILL");
          }),
        );
        Promise.all(working).then(() => resolve(), reject);
      });
      await server.waitForKill();
      expect(await postgresPid(server.dataDir)).toBe(postgres);

      await server.start();
      expect(server.stderr).toContain(`Using the PostgreSQL left running (pid ${postgres})`);
      expect(await postgresPid(server.dataDir)).toBe(postgres);
      await verifyConsistency();
    });

    test("works on where it was killed, with all written files", async () => {
      for (const workspace of workspaces) {
        await writeFile(join(folderOf(workspace), "last.txt"), workspace.agent_name);
        const params = { agent_id: workspace.agent_id };
        const { data } = await server.api.workspaces.createMerge({ params });
        expect(["clean", "conflict_resolved"]).toContain(data.status);
        acknowledged.get(workspace.agent_id)?.merges.add(data.id as string);
      }
      await verifyConsistency();
      // A revert of the revert restores the changes.
      for (const workspace of workspaces) {
        const params = { agent_id: workspace.agent_id };
        const { data } = await server.api.workspaces.merges({ params, query: { limit: 200 } });
        for (const { id, kind } of data) {
          if (kind === "revert") await revert(workspace, id as string);
        }
      }
      await verifyConsistency();
      const files = await server.git("ls-tree", "-r", "--name-only", "main");
      const numbers = [...files.matchAll(/^worker-\d\/(\d+)\.txt$/gm)].map(([, number]) =>
        Number(number),
      );
      expect(numbers.sort((a, b) => a - b)).toEqual(
        Array.from({ length: written }, (_, i) => i + 1),
      );
      expect(await server.git("show", "main:last.txt")).toBe("worker-4");
    });

    test("stops the PostgreSQL that it adopted", async () => {
      const postgres = (await postgresPid(server.dataDir)) as number;
      await server.stop();
      expect(isAlive(postgres)).toBe(false);
    });

    /** Checks that the lists contain all acknowledged results, and git contains exactly the lists. */
    async function verifyConsistency(): Promise<void> {
      const [root] = await server.listCommits("--max-parents=0", "main");
      const merged: string[] = [];
      for (const workspace of workspaces) {
        const params = { agent_id: workspace.agent_id };
        const known = acknowledged.get(workspace.agent_id) as Acknowledged;
        const query = { limit: 200 };
        const { data: commits } = await server.api.workspaces.commits({ params, query });
        const shas = commits.map(({ commit_sha }) => commit_sha);
        expect(shas).toEqual(expect.arrayContaining([...known.commits]));
        const own = await server.listCommits("--first-parent", workspace.branch_name, `^${root}`);
        expect(own).toEqual(shas);
        const { data: current } = await server.api.workspaces.get({ params });
        expect([current.status, current.head_commit]).toEqual(["active", shas[0]]);

        const { data: merges } = await server.api.workspaces.merges({ params, query });
        expect(merges.map(({ id }) => id)).toEqual(expect.arrayContaining([...known.merges]));
        for (const [id, revertedBy] of known.reverts) {
          expect(merges.find((merge) => merge.id === id)?.reverted_by).toBe(revertedBy);
        }
        known.reverts.clear();
        const intoMain = merges.filter(({ kind }) => kind !== "sync");
        merged.push(...intoMain.map(({ merge_commit_sha }) => String(merge_commit_sha)));
      }
      expect(merged.sort()).toEqual(
        (await server.listCommits("--first-parent", "main", `^${root}`)).sort(),
      );
      await server.git("fsck", "--full", "--strict", "--no-dangling");

      const unfinished = await server.query(
        `select commit_sha from workspace_commits where state <> 'recorded'
       union all select merge_commit from merges where state <> 'done'
       union all select agent_id::text from workspaces where status <> 'active'`,
      );
      const notReceived = await server.query(
        `select commit_sha from (
         select commit_sha from workspace_commits union select merge_commit from merges) c
       where not exists (select from received_commits r where r.commit_sha = c.commit_sha)`,
      );
      expect([unfinished, notReceived]).toEqual([[], []]);
    }
  });
};
