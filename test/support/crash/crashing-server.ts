import { readdir } from "node:fs/promises";
import { basename, join } from "node:path";
import { expect } from "vitest";
import { ApiError } from "#shared/contract/client.js";
import type { Merge } from "#shared/api/code/merges.js";
import type { FolderDriverName } from "../git/folder-drivers.js";
import { RestartableServer } from "./restartable-server.js";

/** Whether the server is killed just before an effect, or just after its start. */
export type KillTime = "before" | "after";

/** A server that kills itself at its n-th effect (see kill-at-effect.mjs). */
export class CrashingServer extends RestartableServer {
  constructor(driver: FolderDriverName, env: Record<string, string> = {}) {
    super({ OMOI_FOLDER_DRIVER: driver, ...env }, [
      "--import",
      "./test/support/crash/kill-at-effect.mjs",
    ]);
  }

  override async open(): Promise<void> {
    await super.open();
    await this.createProject();
    // Disables automatic checkpoints.
    await this.query("alter table workspaces alter checkpoint_interval_minutes set default null");
  }

  /** Starts the server, which kills itself at this effect of the next `runUntilKilled`. */
  startWithKillAt(effect: number, when: KillTime): Promise<void> {
    return this.start({ KILL_AT: String(effect), KILL_WHEN: when });
  }

  /**
   * Runs work, and returns whether the server was killed before its last effect.
   * @throws any error of the work other than a broken connection
   */
  async runUntilKilled(work: () => Promise<unknown>): Promise<boolean> {
    await this.#toggle("armed");
    try {
      await work();
    } catch (error) {
      if (error instanceof ApiError) throw error;
      await this.waitForKill();
      return true;
    }
    // Effects after the response count as well.
    return (await this.#toggle("disarmed")) === "ended";
  }

  /** Starts or ends the counting of effects; `word` is the acknowledgment. */
  async #toggle(word: string): Promise<"ended" | "acknowledged"> {
    const acknowledged = new Promise<"acknowledged">((resolve) => {
      this.process.process.stdout?.on("data", (text: Buffer) => {
        if (String(text).split("\n").includes(word)) resolve("acknowledged");
      });
    });
    this.signal("SIGUSR2");
    return Promise.race([acknowledged, this.ended.then(() => "ended" as const)]);
  }

  async merges(params: { agent_id: string }): Promise<Merge[]> {
    return (await this.api.workspaces.merges({ params, query: { limit: 200 } })).data;
  }

  /**
   * Checks that database, references and folders agree, and that nothing is pending or left over.
   */
  async verifyConsistency(): Promise<void> {
    const rows = await this.#rows();
    expect(rows.pending).toEqual([]);
    const refs = new Map(
      (await this.git("for-each-ref", "--format=%(refname) %(objectname)"))
        .split("\n")
        .map((line) => line.split(" ") as [string, string]),
    );
    // Each workspace has its branch, or its kept reference while archived, and there are no others.
    for (const { status, branch_name, head_commit, agent_id } of rows.workspaces) {
      expect([branch_name, ["active", "archived"].includes(status)]).toEqual([branch_name, true]);
      const branch = `refs/heads/${branch_name}`;
      const archives = [...refs].filter(([ref]) => ref.startsWith(`refs/archive/${agent_id}/`));
      expect([branch, refs.get(branch)]).toEqual([
        branch,
        status === "active" ? head_commit : undefined,
      ]);
      expect([branch, archives.map(([, sha]) => sha)]).toEqual([
        branch,
        status === "active" ? [] : [head_commit],
      ]);
    }
    const known = new Set(rows.workspaces.map(({ branch_name }) => `refs/heads/${branch_name}`));
    const unknown = [...refs.keys()].filter(
      (ref) => ref.startsWith("refs/heads/workspace-") && !known.has(ref),
    );
    expect(unknown).toEqual([]);
    // The branch contains the recorded merges, each once, and nothing else.
    const log = await this.listCommits("--first-parent", "main");
    expect(log.slice(0, -1).toSorted()).toEqual(rows.merged.toSorted());
    // Losing versions are kept, and nothing of a merge that did not happen.
    expect(rows.losers.filter((ref) => !refs.has(ref))).toEqual([]);
    const kept = [...refs.keys()].filter((ref) => ref.startsWith("refs/keep/"));
    expect(kept.filter((ref) => !rows.mergeIds.includes(ref.split("/")[2] ?? ""))).toEqual([]);
    const firstParents = await this.#firstParents();
    for (const workspace of rows.workspaces.filter(({ status }) => status === "active")) {
      const own: string[] = [];
      let at: string | undefined = workspace.head_commit;
      for (; at !== undefined && at !== workspace.parent_commit; at = firstParents.get(at)) {
        own.push(at);
      }
      expect([at, own]).toEqual([workspace.parent_commit, workspace.commits ?? []]);
    }
    expect(await filesNamed(this.dataDir, /\.lock$/)).toEqual([]);
  }

  /**
   * Checks that the next call removed the temporary files of an interrupted one, except its empty
   * marker file in a linked layer, which expires after an hour.
   */
  async verifyNoTempFiles(): Promise<void> {
    const unfinished = /\.(?:creating|removing|next)-[0-9a-f]{12}$/;
    const left = await filesNamed(this.dataDir, unfinished);
    expect(left.filter((path) => !/\/users\/link-[^/]+$/.test(path))).toEqual([]);
  }

  /**
   * Returns the first parent of each commit with one git process, which is faster than one per
   * workspace.
   */
  async #firstParents(): Promise<Map<string, string | undefined>> {
    const log = await this.git("log", "--all", "--format=%H %P");
    return new Map(
      log.split("\n").map((line) => line.split(" ").slice(0, 2) as [string, string | undefined]),
    );
  }

  async #rows() {
    return {
      pending: await this.query(
        `select commit_sha from workspace_commits where state <> 'recorded'
         union all select merge_commit from merges where state <> 'done'`,
      ),
      workspaces: await this.query<{
        status: string;
        branch_name: string;
        head_commit: string;
        parent_commit: string;
        agent_id: string;
        commits: string[] | null;
      }>(
        `select status, branch_name, head_commit, parent_commit, agent_id,
           (select array_agg(commit_sha order by id desc) from workspace_commits c
            where c.agent_id = w.agent_id) as commits
         from workspaces w`,
      ),
      merged: (
        await this.query<{ sha: string }>(
          "select merge_commit as sha from merges where target_branch = 'main'",
        )
      ).map(({ sha }) => sha),
      mergeIds: (await this.query<{ id: string }>("select id from merges")).map(({ id }) => id),
      losers: (
        await this.query<{ ref: string }>(
          `select r ->> 'loser_ref' as ref from merges, jsonb_array_elements(resolutions) r
           where r ->> 'loser_ref' is not null group by 1`,
        )
      ).map(({ ref }) => ref),
    };
  }
}

/** Returns the entries of the server's working folders that match the pattern. */
async function filesNamed(dataDir: string, pattern: RegExp): Promise<string[]> {
  const folders = ["repositories", "workspaces", "indexes", "overlays"];
  const found = await Promise.all(
    folders.map((folder) => readdir(join(dataDir, folder), { recursive: true }).catch(() => [])),
  );
  return found.flat().filter((path) => pattern.test(basename(path)));
}
