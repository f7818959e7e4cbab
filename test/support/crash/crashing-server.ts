import { mkdtemp, readdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import pg from "pg";
import { expect } from "vitest";
import { ApiError, type Client } from "#shared/contract/client.js";
import type { Project } from "#shared/api/projects/projects.js";
import type { Merge } from "#shared/api/projects/merges.js";
import type { Workspace } from "#shared/api/projects/workspaces.js";
import { storageIn } from "#server/data-folder/storage.js";
import { git } from "../git/git.js";
import { clientOf, startServer, type ServerProcess } from "../server/server-process.js";
import { removeDataFolder } from "../server/data-folder.js";
import type { FolderDriverName } from "../git/folder-drivers.js";

/** Whether the server is killed just before an effect, or just after its start. */
export type KillTime = "before" | "after";

/** A server that kills itself at its n-th effect (see kill-at-effect.mjs), with its data. */
export class CrashingServer {
  readonly dataDir: string;
  api!: Client;
  url!: string;
  token = "";
  project!: Project;
  #server!: ServerProcess;
  #agents = 0;

  readonly #driver: FolderDriverName;

  private constructor(dataDir: string, driver: FolderDriverName) {
    this.dataDir = dataDir;
    this.#driver = driver;
  }

  /** Opens one with the given folder driver. */
  static async open(driver: FolderDriverName): Promise<CrashingServer> {
    const it = new CrashingServer(await mkdtemp(join(tmpdir(), "omoi-effects-")), driver);
    await it.start(0, "before");
    const person = { email: "ann@example.com", password: "correct staple horse" };
    await it.api.auth.register({ body: person });
    it.token = (await it.api.auth.login({ body: person })).data.access_token;
    it.api = clientOf(it.url, it.token);
    const { data: org } = await it.api.organizations.create({ body: { name: "Effects" } });
    const body = { organization_id: org.id, name: "Site" };
    it.project = (await it.api.projects.create({ body })).data;
    // Disables automatic checkpoints.
    await it.#asOwner((database) =>
      database.query("alter table workspaces alter checkpoint_interval_minutes set default null"),
    );
    return it;
  }

  /** Starts the server, to be killed at an effect once it is armed; 0 for none. */
  async start(killAt: number, when: KillTime): Promise<void> {
    const env = {
      OMOI_DATA_DIR: this.dataDir,
      OMOI_FOLDER_DRIVER: this.#driver,
      KILL_AT: String(killAt),
      KILL_WHEN: when,
    };
    this.#server = startServer(env, ["--import", "./test/support/crash/kill-at-effect.mjs"]);
    this.url = await this.#server.ready;
    this.api = clientOf(this.url, this.token);
  }

  async stop(): Promise<void> {
    this.#server.process.kill("SIGTERM");
    const { code, stderr } = await this.#server.ended;
    expect({ code, stderr }).toEqual({ code: 0, stderr: expect.any(String) });
  }

  async close(): Promise<void> {
    await this.stop();
    await removeDataFolder(this.dataDir);
  }

  /**
   * Runs work that may be interrupted; returns whether it was. Any error other than a broken
   * connection is rethrown.
   */
  async cutOff(act: () => Promise<unknown>): Promise<boolean> {
    await this.#toggle("armed");
    try {
      await act();
    } catch (error) {
      if (error instanceof ApiError) throw error;
      const { signal, code, stderr } = await this.#server.ended;
      expect({ signal, code, stderr }).toMatchObject({ signal: "SIGKILL" });
      return true;
    }
    // Effects after the response count as well.
    return (await this.#toggle("disarmed")) === "ended";
  }

  async #toggle(word: string): Promise<"ended" | "said"> {
    const said = new Promise<"said">((resolve) => {
      this.#server.process.stdout?.on("data", (text: Buffer) => {
        if (String(text).split("\n").includes(word)) resolve("said");
      });
    });
    this.#server.process.kill("SIGUSR2");
    return Promise.race([said, this.#server.ended.then(() => "ended" as const)]);
  }

  /** The clone URL of the project; the port changes with each start. */
  get cloneUrl(): string {
    return `${this.url}${new URL(this.project.clone_url).pathname}`;
  }

  get repoPath(): string {
    return storageIn(this.dataDir).repository(this.project.organization_id, this.project.id);
  }

  gitInRepository(...args: string[]): Promise<string> {
    return git(["--git-dir", this.repoPath, ...args]);
  }

  async agent(): Promise<{ agent_id: string }> {
    this.#agents += 1;
    const body = { project_id: this.project.id, name: `worker-${this.#agents}` };
    return { agent_id: (await this.api.agents.create({ body })).data.id };
  }

  async workspace(): Promise<Workspace> {
    return (await this.api.workspaces.create({ params: await this.agent() })).data;
  }

  async merges(params: { agent_id: string }): Promise<Merge[]> {
    return (await this.api.workspaces.merges({ params, query: { limit: 200 } })).data;
  }

  /**
   * Checks that database, references and folders agree, and that nothing is pending or left over.
   */
  async everythingAgrees(): Promise<void> {
    const rows = await this.#rows();
    expect(rows.pending).toEqual([]);
    const refs = new Map(
      (await this.gitInRepository("for-each-ref", "--format=%(refname) %(objectname)"))
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
    const log = (await this.gitInRepository("log", "--first-parent", "--format=%H", "main")).split(
      "\n",
    );
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
   * The next call removes the remains of an interrupted one, except its empty marker file in a
   * linked layer, which expires after an hour.
   */
  async nothingIsLeftBehind(): Promise<void> {
    const unfinished = /\.(?:creating|removing|next)-[0-9a-f]{12}$/;
    const left = await filesNamed(this.dataDir, unfinished);
    expect(left.filter((path) => !/\/users\/link-[^/]+$/.test(path))).toEqual([]);
  }

  /**
   * Returns the first parent of each commit with one git process, which is faster than one per
   * workspace.
   */
  async #firstParents(): Promise<Map<string, string | undefined>> {
    const log = await this.gitInRepository("log", "--all", "--format=%H %P");
    return new Map(
      log.split("\n").map((line) => line.split(" ").slice(0, 2) as [string, string | undefined]),
    );
  }

  async #asOwner<Result>(work: (database: pg.Client) => Promise<Result>): Promise<Result> {
    const host = join(this.dataDir, "postgres");
    const database = new pg.Client({ host, port: 5432, user: "postgres" });
    await database.connect();
    try {
      return await work(database);
    } finally {
      await database.end();
    }
  }

  #rows() {
    return this.#asOwner(async (database) => {
      const read = async <Row extends pg.QueryResultRow>(text: string): Promise<Row[]> =>
        (await database.query<Row>(text)).rows;
      return {
        pending: await read(
          `select commit_sha from workspace_commits where state <> 'recorded'
           union all select merge_commit from merges where state <> 'done'`,
        ),
        workspaces: await read<{
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
          await read<{ sha: string }>(
            "select merge_commit as sha from merges where target_branch = 'main'",
          )
        ).map(({ sha }) => sha),
        mergeIds: (await read<{ id: string }>("select id from merges")).map(({ id }) => id),
        losers: (
          await read<{ ref: string }>(
            `select r ->> 'loser_ref' as ref from merges, jsonb_array_elements(resolutions) r
             where r ->> 'loser_ref' is not null group by 1`,
          )
        ).map(({ ref }) => ref),
      };
    });
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
