import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { expect } from "vitest";
import type { Client } from "#shared/contract/client.js";
import type { Workspace } from "#shared/api/code/workspaces.js";
import type { Project } from "#shared/api/code/projects.js";
import { gitInRepository, repoPathOf } from "../git/git.js";
import { removeDataFolder } from "../server/data-folder.js";
import {
  clientOf,
  startServer,
  type ProcessExit,
  type ServerProcess,
} from "../server/server-process.js";

/**
 * The built server on its own data folder, with an owner who is signed in. It can be killed and
 * started again on the same data.
 */
export class RestartableServer {
  dataDir!: string;
  /** The owner's client; replaced by each start. */
  api!: Client;
  /** The server's address; the port changes with each start. */
  url!: string;
  token = "";
  project!: Project;
  protected process!: ServerProcess;
  readonly #env: Record<string, string>;
  readonly #nodeOptions: readonly string[];
  #agentCount = 0;

  constructor(env: Record<string, string> = {}, nodeOptions: readonly string[] = []) {
    this.#env = env;
    this.#nodeOptions = nodeOptions;
  }

  /** Starts the server for the first time, and registers the owner. */
  async open(): Promise<void> {
    this.dataDir = await mkdtemp(join(tmpdir(), "omoi-crash-"));
    await this.start();
    const owner = { email: "ann@example.com", password: "correct staple horse" };
    await this.api.auth.register({ body: owner });
    this.token = (await this.api.auth.login({ body: owner })).data.access_token;
    this.api = clientOf(this.url, this.token, () => this.stderr);
  }

  /** Starts the server; `env` are additional settings of this start. */
  async start(env: Record<string, string> = {}): Promise<void> {
    const settings = { OMOI_DATA_DIR: this.dataDir, ...this.#env, ...env };
    this.process = startServer(settings, this.#nodeOptions);
    this.url = await this.process.ready;
    this.api = clientOf(this.url, this.token, () => this.stderr);
  }

  /** Sends a signal without waiting for its effect. */
  signal(name: NodeJS.Signals): void {
    this.process.process.kill(name);
  }

  /** Waits for the end of the current process. */
  get ended(): Promise<ProcessExit> {
    return this.process.ended;
  }

  /** Waits until the current process was killed. */
  async waitForKill(): Promise<ProcessExit> {
    const exit = await this.ended;
    expect(exit).toMatchObject({ signal: "SIGKILL" });
    return exit;
  }

  /** Kills the server. */
  async kill(): Promise<ProcessExit> {
    this.signal("SIGKILL");
    return this.waitForKill();
  }

  /** Stops the server, which must end cleanly. */
  async stop(): Promise<ProcessExit> {
    this.signal("SIGTERM");
    const exit = await this.ended;
    expect(exit).toMatchObject({ code: 0 });
    return exit;
  }

  /** Stops the server, if it is running, and removes its data. */
  async close(): Promise<void> {
    this.signal("SIGTERM");
    await this.ended;
    await removeDataFolder(this.dataDir);
  }

  /** Standard error of the current process so far. */
  get stderr(): string {
    return this.process.stderr();
  }

  /** Creates the project of the test, in an organization of its own. */
  async createProject(limits: { max_concurrent_agents?: number } = {}): Promise<void> {
    const { data } = await this.api.organizations.create({ body: { name: "Crash", ...limits } });
    const body = { organization_id: data.id, name: "Site" };
    this.project = (await this.api.projects.create({ body })).data;
  }

  /** Creates an agent: worker-1, worker-2 and so on. */
  async createAgent(): Promise<{ agent_id: string }> {
    this.#agentCount += 1;
    const body = { project_id: this.project.id, name: `worker-${this.#agentCount}` };
    return { agent_id: (await this.api.agents.create({ body })).data.id };
  }

  /** Creates an agent with its workspace. */
  async createWorkspace(workspace_type: Workspace["workspace_type"] = "local"): Promise<Workspace> {
    const params = await this.createAgent();
    return (await this.api.workspaces.create({ params, body: { workspace_type } })).data;
  }

  /** The clone URL of the project. */
  get cloneUrl(): string {
    return `${this.url}${new URL(this.project.clone_url).pathname}`;
  }

  get repoPath(): string {
    return repoPathOf(this, this.project);
  }

  /** Runs git in the project's repository. */
  git(...args: string[]): Promise<string> {
    return gitInRepository(this, this.project, ...args);
  }

  /** Lists commits as `git log` selects them. */
  async listCommits(...args: string[]): Promise<string[]> {
    return (await this.git("log", "--format=%H", ...args)).split("\n").filter(Boolean);
  }

  /** Queries the embedded database as its owner. */
  async query<Row extends pg.QueryResultRow>(text: string): Promise<Row[]> {
    const host = join(this.dataDir, "postgres");
    const database = new pg.Client({ host, port: 5432, user: "postgres" });
    await database.connect();
    try {
      return (await database.query<Row>(text)).rows;
    } finally {
      await database.end();
    }
  }
}
