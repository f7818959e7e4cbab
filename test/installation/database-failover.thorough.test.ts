import { mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Verification } from "#server/admin/verify.js";
import type { Client } from "#shared/contract/client.js";
import { ApiError } from "#shared/contract/call.js";
import {
  startReplicatedPostgres,
  type PostgresNode,
  type ReplicatedPostgres,
} from "../support/database/replicated-postgres.js";
import {
  commitFiles,
  folderOf,
  makeOrganization,
  makeProject,
  makeWorkspace,
  mergeIntoBase,
} from "../support/fixtures/factories.js";
import { shell, waitForRun, waitForRunEnd } from "../support/fixtures/runs.js";
import { omoi } from "../support/server/cli.js";
import { removeDataFolder } from "../support/server/data-folder.js";
import { clientOf, startServer, type ServerProcess } from "../support/server/server-process.js";

const times = 3;
const secret = "a secret of the failover tests, long enough";

/** What the server acknowledged, and what it could not tell. */
interface Ledger {
  organizations: string[];
  agents: string[];
  commits: { agentId: string; sha: string }[];
  merges: { agentId: string; sha: string }[];
  runs: string[];
  revokedKeys: string[];
  unknown: Set<string>;
  failures: unknown[];
}

describe("two server processes on a PostgreSQL with a synchronous standby", () => {
  let postgres: ReplicatedPostgres;
  let dataDir: string;
  let env: Record<string, string>;
  const servers: { process: ServerProcess; url: string }[] = [];
  let token: string;
  let clients: Client[];
  let orgId: string;
  let projectId: string;
  let made = 0;

  beforeAll(async () => {
    postgres = await startReplicatedPostgres(true);
    dataDir = await mkdtemp(join(tmpdir(), "omoi-data-"));
    env = {
      OMOI_DATABASE_URL: postgres.url(postgres.nodes),
      OMOI_SECRET: secret,
      OMOI_DATA_DIR: dataDir,
    };
    const processes = [startServer(env), startServer(env)];
    for (const process of processes) servers.push({ process, url: await process.ready });
    const { url } = servers[0] as { url: string };
    const person = { email: "ann@example.com", password: "correct staple horse" };
    await clientOf(url).auth.register({ body: person });
    token = (await clientOf(url).auth.login({ body: person })).data.access_token;
    clients = servers.map((server) => clientOf(server.url, token));
    const api = clients[0] as Client;
    orgId = (await makeOrganization({ api })).id;
    projectId = (await makeProject({ api }, orgId)).id;
  }, 60_000);
  afterAll(async () => {
    for (const { process } of servers) process.process.kill("SIGTERM");
    await Promise.all(servers.map(({ process }) => process.ended));
    await postgres?.stop();
    if (dataDir) await removeDataFolder(dataDir);
  }, 60_000);

  const unique = (what: string): string => `${what}-${(made += 1)}`;

  /**
   * Repeats a request that was answered as unavailable. Returns null if its outcome is unknown; such a
   * request must not be repeated blindly.
   */
  async function insist<Result>(
    ledger: Ledger,
    name: string,
    request: () => Promise<Result>,
  ): Promise<Result | null> {
    const end = Date.now() + 60_000;
    for (;;) {
      try {
        return await request();
      } catch (error) {
        const code = error instanceof ApiError ? error.code : null;
        if (code === "outcome_unknown") {
          ledger.unknown.add(name);
          return null;
        }
        // Locks of a lost connection, and rows of an interrupted step, are free in a moment.
        const isPassing = ["unavailable", "workspace_busy", "run_in_progress", "queue_full"];
        if (code === null || !isPassing.includes(code) || Date.now() > end) throw error;
        await pause(50);
      }
    }
  }

  /** Starts writers of every kind on both processes; `stop` waits for their last answers. */
  async function startWriters(): Promise<{ ledger: Ledger; stop: () => Promise<void> }> {
    const ledger: Ledger = {
      organizations: [],
      agents: [],
      commits: [],
      merges: [],
      runs: [],
      revokedKeys: [],
      unknown: new Set(),
      failures: [],
    };
    const stopping = new AbortController();
    const repeat = async (work: () => Promise<void>): Promise<void> => {
      try {
        while (!stopping.signal.aborted) await work();
      } catch (error) {
        ledger.failures.push(error);
      }
    };
    const writers = clients.flatMap((api, index) => {
      const other = servers[1 - index] as { url: string };
      return [
        repeat(async () => {
          const name = unique("organization");
          const create = () => api.organizations.create({ body: { name } });
          if (await insist(ledger, name, create)) ledger.organizations.push(name);
        }),
        repeat(async () => {
          const name = unique("agent");
          const create = () => api.agents.create({ body: { project_id: projectId, name } });
          if (await insist(ledger, name, create)) ledger.agents.push(name);
        }),
        repeat(async () => {
          const name = unique("key");
          const create = () => api.apiKeys.create({ body: { name } });
          const key = (await insist(ledger, name, create))?.data;
          if (!key) return;
          const holder = clientOf(other.url, key.key as string);
          await insist(ledger, name, () => holder.auth.me());
          const revoke = () => api.apiKeys.revoke({ params: { key_id: key.id } });
          if (await insist(ledger, name, revoke)) ledger.revokedKeys.push(key.key as string);
        }),
      ];
    });
    for (const api of clients) {
      const [committing, merging, running] = await Promise.all(
        Array.from({ length: 3 }, () => makeWorkspace({ api }, projectId)),
      );
      const [one, two, three] = [committing, merging, running].map((made_) => made_?.workspace);
      if (!one || !two || !three) throw new Error("no workspaces");
      writers.push(
        repeat(async () => {
          const name = unique("file");
          const commit = () => commitFiles({ api }, one, { [name]: name });
          const answer = await insist(ledger, name, commit);
          if (answer) ledger.commits.push({ agentId: one.agent_id, sha: answer.commit_sha });
        }),
        repeat(async () => {
          const name = unique("merged");
          await writeFile(join(folderOf(two), name), name);
          const merge = await insist(ledger, name, () => mergeIntoBase({ api }, two));
          const sha = merge?.merge_commit_sha;
          if (sha) ledger.merges.push({ agentId: two.agent_id, sha });
        }),
        repeat(async () => {
          const name = unique("run");
          const { agent_id } = three;
          const command = shell(`echo ${name}`);
          const start = () =>
            api.runs.create({ params: { agent_id }, body: { command, queue: true } });
          const run = (await insist(ledger, name, start))?.data;
          if (!run) return;
          ledger.runs.push(run.id);
          await insist(ledger, name, () => waitForRunEnd({ api }, run.id));
        }),
      );
    }
    return {
      ledger,
      stop: async () => {
        stopping.abort();
        await Promise.all(writers);
      },
    };
  }

  test.each(Array.from({ length: times }, (_none, index) => index + 1))(
    "nothing acknowledged is lost or doubled when the standby is promoted (round %i)",
    async (round) => {
      const [first, second] = postgres.nodes;
      const [primary, standby] = round % 2 === 1 ? [first, second] : [second, first];
      const api = clients[0] as Client;
      const reader = await followChanges((servers[1] as { url: string }).url);
      const { workspace } = await makeWorkspace({ api }, projectId);
      const { agent_id } = workspace;
      const command = shell("touch up; until test -e go; do sleep 0.05; done; echo finished");
      const long = (await api.runs.create({ params: { agent_id }, body: { command } })).data;
      await waitForRun({ api }, long.id, ({ status }) => status === "running");

      const { ledger, stop } = await startWriters();
      await until(() => ledger.commits.length > 2 && ledger.merges.length > 1, ledger);
      await until(() => ledger.revokedKeys.length > 2 && ledger.runs.length > 1, ledger);
      await primary.kill();
      await pause(Math.random() * 500);
      await standby.promote();
      const before = { ...lengthsOf(ledger) };
      await until(() => {
        const now = lengthsOf(ledger);
        return Object.entries(before).every(([kind, count]) => (now[kind] as number) > count);
      }, ledger);
      await stop();
      expect(ledger.failures).toEqual([]);
      await writeFile(join(folderOf(workspace), "go"), "");

      await expectRows(ledger);
      for (const { url } of servers) {
        for (const key of ledger.revokedKeys) {
          await expect(clientOf(url, key).auth.me()).rejects.toMatchObject({
            code: "invalid_token",
          });
        }
      }
      expect(await waitForRunEnd({ api }, long.id)).toMatchObject({ status: "succeeded" });
      const last = (
        await api.agents.create({ body: { project_id: projectId, name: unique("last") } })
      ).data;
      // The reader learns that it missed events, and then gets new ones.
      await expect.poll(() => reader.text()).toContain("event: reset\n");
      await expect.poll(() => reader.text()).toContain(last.id);
      reader.close();
      const verified = await omoi(env, "admin", "verify", "--json");
      expect(verified.err).toBe("");
      expect(JSON.parse(verified.out) as Verification).toMatchObject({ clean: true });
      // The replaced primary becomes the standby of the next round.
      await postgres.follow(primary, standby, true);
    },
    120_000,
  );

  function lengthsOf({ unknown: _unknown, failures: _failures, ...lists }: Ledger) {
    return Object.fromEntries(Object.entries(lists).map(([kind, list]) => [kind, list.length]));
  }

  async function until(condition: () => boolean, ledger: Ledger): Promise<void> {
    const end = Date.now() + 60_000;
    while (!condition() && ledger.failures.length === 0) {
      if (Date.now() > end) {
        throw new Error(`the writers do not proceed: ${JSON.stringify(lengthsOf(ledger))}`);
      }
      await pause(20);
    }
    expect(ledger.failures).toEqual([]);
  }

  /** Compares the rows with the acknowledged writes. */
  async function expectRows(ledger: Ledger): Promise<void> {
    const node = await primaryOf(postgres.nodes);
    const rowsOf = async (text: string): Promise<string[]> =>
      (await node.query<{ name: string }>(text, "omoi")).map(({ name }) => name);
    const expectOnce = (names: string[], acknowledged: string[], prefix: string): void => {
      const written = names.filter((name) => name.startsWith(prefix));
      expect(new Set(written).size).toBe(written.length);
      expect(written).toEqual(expect.arrayContaining(acknowledged));
    };
    expectOnce(
      await rowsOf("select name from organizations"),
      ledger.organizations,
      "organization",
    );
    expectOnce(await rowsOf("select name from agents"), ledger.agents, "agent");
    const all = new Set([
      ...(await rowsOf("select commit_sha as name from workspace_commits")),
      ...(await rowsOf("select merge_commit as name from merges")),
    ]);
    for (const { sha } of [...ledger.commits, ...ledger.merges]) expect(all).toContain(sha);
    const runs = await rowsOf("select id::text as name from runs");
    expect(runs).toEqual(expect.arrayContaining(ledger.runs));
    // A request that was answered as unavailable and repeated started one run.
    const commands = await rowsOf("select command::text as name from runs");
    const echoes = commands.filter((command) => command.includes("echo run-"));
    expect(new Set(echoes).size).toBe(echoes.length);
  }

  async function primaryOf(nodes: readonly PostgresNode[]): Promise<PostgresNode> {
    for (const node of nodes) {
      const rows = await node
        .query<{ ok: boolean }>("select not pg_is_in_recovery() as ok")
        .catch(() => []);
      if (rows[0]?.ok) return node;
    }
    throw new Error("no primary");
  }

  /** Reads the event stream of the organization, and resumes it when it ends. */
  async function followChanges(url: string): Promise<{ text(): string; close(): void }> {
    const aborter = new AbortController();
    let text = "";
    const read = async (): Promise<void> => {
      const [lastId] = text.match(/(?<=^id: )\S+$(?![^]*^id: )/m) ?? [];
      const response = await fetch(`${url}/api/v1/organizations/${orgId}/events`, {
        headers: {
          accept: "text/event-stream",
          authorization: `Bearer ${token}`,
          ...(lastId === undefined ? {} : { "last-event-id": lastId }),
        },
        signal: aborter.signal,
      });
      if (response.status !== 200) return;
      for await (const part of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
        text += part;
      }
    };
    const reading = (async () => {
      while (!aborter.signal.aborted) {
        await read().catch(() => {});
        await pause(50);
      }
    })();
    await expect.poll(() => text).not.toBe("");
    return {
      text: () => text,
      close: () => {
        aborter.abort();
        void reading;
      },
    };
  }
});
