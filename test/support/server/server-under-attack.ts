/**
 * Shared by the attacks in this folder: a server in its own process, and a second organization that
 * works during the attack.
 */
import { randomBytes } from "node:crypto";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "vitest";
import type { Client } from "#shared/contract/client.js";
import type { Agent } from "#shared/api/work/agents.js";
import type { Workspace } from "#shared/api/code/workspaces.js";
import { createTestDatabase, type TestPerson } from "./app.js";
import { removeDataFolder } from "./data-folder.js";
import {
  commitFiles,
  makeOrganization,
  makeProject,
  makeWorkspace,
} from "../fixtures/factories.js";
import { databaseUrlOf } from "../database/queries.js";
import { shell, waitForRunEnd } from "../fixtures/runs.js";
import { clientOf, startServer, type ProcessExit } from "./server-process.js";

export interface ServerUnderAttack {
  url: string;
  dataDir: string;
  /** The process that must survive. */
  pid: number;
  /** The connection of a test to the database, as its owner. */
  owner: Awaited<ReturnType<typeof createTestDatabase>>["owner"];
  /** Registers a person and signs in. */
  person(name: string): Promise<TestPerson>;
  isAlive(): boolean;
  /** The server's log so far. */
  log(): string;
  /** Sends SIGTERM and waits for the end. */
  stop(): Promise<ProcessExit>;
  /** Stops the server and removes its folder. */
  close(): Promise<void>;
}

/**
 * Starts the built server with this machine's sandbox on its own database.
 * @param env additional settings; @param options of Node, such as `--max-old-space-size=256`
 */
export async function startServerUnderAttack(
  env: Record<string, string> = {},
  options: readonly string[] = [],
): Promise<ServerUnderAttack> {
  const { owner, secret } = await createTestDatabase();
  const dataDir = await mkdtemp(join(tmpdir(), "omoi-data-"));
  const server = startServer(
    {
      OMOI_DATABASE_URL: databaseUrlOf({ owner }),
      OMOI_SECRET: secret,
      OMOI_DATA_DIR: dataDir,
      ...env,
    },
    options,
  );
  const url = await server.ready;
  const { process: child } = server;
  const stop = (): Promise<ProcessExit> => {
    child.kill("SIGTERM");
    return server.ended;
  };
  return {
    url,
    dataDir,
    pid: child.pid as number,
    owner,
    isAlive: () => child.exitCode === null && child.signalCode === null,
    log: () => server.stderr(),
    person: async (name) => {
      const email = `${name}-${randomBytes(4).toString("hex")}@example.com`;
      const password = "correct staple horse";
      const { data: user } = await clientOf(url).auth.register({ body: { email, password } });
      const { data: tokens } = await clientOf(url).auth.login({ body: { email, password } });
      return {
        id: user.id,
        email,
        password,
        token: tokens.access_token,
        refreshToken: tokens.refresh_token,
        api: clientOf(url, tokens.access_token),
      };
    },
    stop,
    close: async () => {
      await stop();
      await removeDataFolder(dataDir);
    },
  };
}

type Kind = "read" | "list" | "change" | "commit" | "run";

export interface Bystander {
  person: TestPerson;
  orgId: string;
  /**
   * Runs the attack while the innocent organization works. Fails if one of its requests fails, the
   * server process ends, or its latencies exceed multiples of the quiet ones: `slowdown` times (20)
   * for the median of a kind of request, five times that for the maximum.
   */
  during<Result>(
    attack: () => Promise<Result>,
    options?: { slowdown?: number; kinds?: readonly Kind[] },
  ): Promise<Result>;
}

/** Requests of each kind in the quiet measurement. */
const quietRounds = 8;
/** Minimum number of rounds during the attack; fewer prove nothing. */
const fewestRounds = 4;

/** Creates an organization with a project, an agent for commits and one for runs. */
export async function makeBystander(server: ServerUnderAttack): Promise<Bystander> {
  const person = await server.person("innocent");
  const organization = await makeOrganization(person);
  const project = await makeProject(person, organization.id);
  const { workspace } = await makeWorkspace(person, project.id);
  const runner = await makeWorkspace(person, project.id);
  const operations = operationsOf(person.api, organization.id, workspace, runner.agent);

  const round = async (kinds: readonly Kind[], latencies: Latencies): Promise<void> => {
    for (const kind of kinds) {
      const start = performance.now();
      await operations[kind]();
      (latencies[kind] ??= []).push(performance.now() - start);
    }
  };
  return {
    person,
    orgId: organization.id,
    during: async (attack, { slowdown = 20, kinds = allKinds } = {}) => {
      const quiet: Latencies = {};
      const busy: Latencies = {};
      // The first of each kind fills caches.
      await round(kinds, {});
      for (let count = 0; count < quietRounds; count += 1) await round(kinds, quiet);
      const over = new AbortController();
      const attacking = attack().finally(() => over.abort());
      attacking.catch(() => {});
      for (let count = 0; !over.signal.aborted || count < fewestRounds; count += 1)
        await round(kinds, busy);
      const result = await attacking;
      expect(server.isAlive(), `the server ended: ${server.log()}`).toBe(true);
      const slow = kinds.flatMap((kind) => excessOf(kind, quiet, busy, slowdown));
      expect(slow, "latencies of the innocent organization during the attack").toEqual([]);
      return result;
    },
  };
}

const allKinds: readonly Kind[] = ["read", "list", "change", "commit", "run"];

type Latencies = Partial<Record<Kind, number[]>>;

function operationsOf(
  api: Client,
  orgId: string,
  workspace: Workspace,
  runner: Agent,
): Record<Kind, () => Promise<unknown>> {
  const params = { org_id: orgId };
  let count = 0;
  return {
    read: () => api.organizations.get({ params }),
    list: () => api.organizations.list(),
    change: () =>
      api.organizations.update({ params, body: { description: `change ${(count += 1)}` } }),
    commit: async () => {
      const commit = await commitFiles({ api }, workspace, {
        "file.txt": `text ${(count += 1)}\n`,
      });
      expect(commit.files_changed).toBe(1);
    },
    run: async () => {
      const body = { command: shell("echo done") };
      const { data } = await api.runs.create({ params: { agent_id: runner.id }, body });
      const run = await waitForRunEnd({ api }, data.id);
      expect(run).toMatchObject({ status: "succeeded", exit_code: 0 });
    },
  };
}

/** Returns a line for a kind of request that became too slow. */
function excessOf(kind: Kind, quiet: Latencies, busy: Latencies, slowdown: number): string[] {
  const before = (quiet[kind] ?? []).toSorted((a, b) => a - b);
  const during = (busy[kind] ?? []).toSorted((a, b) => a - b);
  const middle = (times: readonly number[]): number => times[Math.floor(times.length / 2)] ?? 0;
  const worst = (times: readonly number[]): number => times.at(-1) ?? 0;
  const median = middle(during) / middle(before);
  const longest = worst(during) / worst(before);
  if (median <= slowdown && longest <= 5 * slowdown) return [];
  return [
    `${kind}: median ${median.toFixed(1)} × (${middle(before).toFixed(1)} ms quiet), ` +
      `worst ${longest.toFixed(1)} × (${worst(before).toFixed(1)} ms quiet), at most ${slowdown} × and ${5 * slowdown} ×`,
  ];
}
