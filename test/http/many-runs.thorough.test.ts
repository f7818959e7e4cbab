import { sql } from "drizzle-orm";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Queryable } from "#server/db/connection/connect.js";
import { listAgents } from "#server/features/work/agents/agents.queries.js";
import { listClusterNodes } from "#server/features/operation/nodes/cluster-nodes.queries.js";
import { readAgentRuns } from "#server/features/execution/runs/agent-runs.queries.js";
import {
  explainQueue,
  listRunsOfCluster,
} from "#server/features/execution/runs/cluster/cluster-runs.queries.js";
import {
  extendAllLeases,
  recordRunnerHeartbeats,
} from "#server/features/execution/runs/on-runners/runner-runs.queries.js";
import { offerRuns } from "#server/features/execution/runs/runner-protocol/runner-calls.queries.js";
import {
  endLostRuns,
  findCandidate,
  listRunningOrganizations,
  listRuns,
} from "#server/features/execution/runs/runs.queries.js";
import { makeOrganization, makeProject } from "../support/fixtures/factories.js";
import { startTestApp, type TestApp } from "../support/server/app.js";

const organizations = 40;
const agentsOfOrganization = 25;
const runsOfAgent = 40;
/** Rows and index entries: each organization has a running and a queued run. */
const most = 5 * organizations;

/**
 * The statements that work across organizations, in a database with a thousand agents and tens of thousands of runs.
 * They find their rows by an index, and read no more of it than they need. A plan does not show that: an index read
 * from its first to its last entry is no sequential scan.
 */
describe("rows of runs and agents that statements read", () => {
  let app: TestApp;
  let orgId: string;
  let projectId: string;
  let runnerId: string;
  let nodeId: string;
  let agentIds: string[];
  let running: string[];

  beforeAll(async () => {
    app = await startTestApp();
    const owner = await app.person("owner");
    orgId = (await makeOrganization(owner)).id;
    projectId = (await makeProject(owner, orgId)).id;
    const client = new pg.Client({ ...app.owner, options: "-c app.system=on" });
    await client.connect();
    const ids = async (text: string): Promise<string[]> =>
      (await client.query<{ id: string }>(text)).rows.map(({ id }) => id);
    [nodeId = ""] = await ids("select id from nodes");
    [runnerId = ""] = await ids(
      `insert into runners (id, name, token_hash, networks)
       values (gen_random_uuid(), 'runner', sha256('token'), '{none}') returning id`,
    );
    const tables = ["organizations", "organization_slugs", "projects", "agents", "runs"];
    for (const table of tables) await client.query(`alter table ${table} disable trigger user`);
    await client.query(
      `insert into organizations (id, name, slug, owner_id)
       select gen_random_uuid(), 'Crowd ' || n, 'crowd-' || n, $2 from generate_series(2, $1::int) n`,
      [organizations, owner.id],
    );
    await client.query(
      `insert into projects (id, org_id, name, slug, default_branch, status, home_node)
       select gen_random_uuid(), id, 'Project', 'project', 'main', 'ready', $2 from organizations where id <> $1`,
      [orgId, nodeId],
    );
    await client.query(
      `insert into agents (id, org_id, project_id, name)
       select gen_random_uuid(), org_id, id, 'worker-' || n from projects, generate_series(1, $1::int) n`,
      [agentsOfOrganization],
    );
    await client.query(
      `insert into runs (id, org_id, agent_id, kind, status, started_at, ended_at, created_at, command, network, exit_code)
       select gen_random_uuid(), a.org_id, a.id, 'managed', 'succeeded', at, at + interval '5 minutes', at,
         '{make}', 'none', 0
       from agents a, generate_series(1, $1::int) n,
         lateral (select now() - interval '40 days' - n * interval '1 hour' as at) times`,
      [runsOfAgent],
    );
    const placed =
      "(select id, org_id, row_number() over (partition by org_id order by name) as place from agents) a";
    await client.query(
      `insert into runs (id, org_id, agent_id, kind, status, started_at, command, network, runner_labels)
       select gen_random_uuid(), org_id, id, 'managed', 'queued', null, '{make}', 'none', '{}' from ${placed} where place = 1`,
    );
    running = await ids(
      `insert into runs (id, org_id, agent_id, kind, status, started_at, command, network, runner_labels, runner_id,
         lease_expires_at, last_heartbeat_at)
       select gen_random_uuid(), org_id, id, 'managed', 'running', now(), '{make}', 'none', '{}', '${runnerId}',
         now() + interval '1 hour', now() from ${placed} where place = 2 returning id`,
    );
    agentIds = await ids(`select id from agents where project_id = '${projectId}'`);
    for (const table of tables) await client.query(`alter table ${table} enable trigger user`);
    // Like a database that has been in use for a while.
    await client.query("vacuum (freeze, analyze)");
    await client.end();
  });
  afterAll(() => app.close());

  /** Counts the rows and index entries of runs and agents that this connection has read. */
  async function countRead(tx: Queryable): Promise<number> {
    const { rows } = await tx.execute<{ count: number }>(sql`
      select sum(pg_stat_get_xact_tuples_returned(r.id))::int as count from (
        select unnest('{runs,agents}'::regclass[])::oid as id
        union all select indexrelid from pg_index where indrelid = any('{runs,agents}'::regclass[])) r`);
    return rows[0]?.count ?? 0;
  }

  test.each<[string, (tx: Queryable) => Promise<unknown>]>([
    ["offer runs to a runner", (tx) => offerRuns(tx, runnerId, 1)],
    [
      "extend the leases of a runner",
      (tx) => {
        const sent = { output_bytes: 0, output_truncated: false };
        return recordRunnerHeartbeats(
          tx,
          runnerId,
          running.map((run_id) => ({ run_id, ...sent })),
        );
      },
    ],
    ["extend the leases of a server's runs", (tx) => extendAllLeases(tx, nodeId)],
    ["end lost runs", (tx) => endLostRuns(tx, nodeId)],
    ["list organizations with running runs", (tx) => listRunningOrganizations(tx)],
    ["list the runs of the cluster", (tx) => listRunsOfCluster(tx, runnerId, 100)],
    [
      "explain the queue of the cluster",
      (tx) =>
        explainQueue(tx, { problem: null, networks: ["none"], isPaused: false, isFull: false }),
    ],
    ["find an agent that is to run", (tx) => findCandidate(tx, agentIds[0] ?? "")],
    [
      "list agents",
      (tx) => listAgents(tx, [orgId], { project_id: projectId, after: null }, agentsOfOrganization),
    ],
    ["read the last runs of agents", (tx) => readAgentRuns(tx, agentIds)],
    ["list the runs of an agent", (tx) => listRuns(tx, agentIds[0] ?? "", { after: null }, 50)],
    ["list servers", (tx) => listClusterNodes(tx, null, 50)],
  ])("%s: no more than needed", async (_name, work) => {
    const read = await app.db.withSystemTx("count the rows that a statement reads", async (tx) => {
      const before = await countRead(tx);
      await work(tx);
      return (await countRead(tx)) - before;
    });
    expect(read).toBeLessThan(most);
  });

  const asOwner = async (text: string): Promise<{ org_id: string }[]> => {
    const client = new pg.Client({ ...app.owner, options: "-c app.system=on" });
    await client.connect();
    const { rows } = await client.query<{ org_id: string }>(text);
    await client.end();
    return rows;
  };
  const takeBack = (): Promise<unknown> =>
    asOwner("update runs set runner_id = null, offered_until = null where status = 'queued'");
  const offer = (): Promise<string[]> =>
    app.db.withSystemTx("offer a run", (tx) => offerRuns(tx, runnerId, 1));

  test("offers come to all organizations in turn, however many wait", async () => {
    await takeBack();
    await asOwner(
      "insert into runners (id, name, token_hash, networks) values (gen_random_uuid(), 'other', sha256('other'), '{none}')",
    );
    const offered: string[] = [];
    for (let request = 0; request < organizations; request += 1) {
      const ids = await offer();
      offered.push(...ids);
      // A runner is offered its own runs again.
      await asOwner(
        `update runs set runner_id = (select id from runners where name = 'other') where id = '${ids[0]}'`,
      );
    }
    const found = await asOwner(
      `select distinct org_id from runs where id in (${offered.map((id) => `'${id}'`).join()})`,
    );
    expect(found).toHaveLength(organizations);
    await takeBack();
  });

  test("offers find the one organization with room among many that are full", async () => {
    const all = await asOwner("select id as org_id from organizations order by id");
    for (const place of [0, 20, organizations - 1]) {
      const free = all[place]?.org_id ?? "";
      await asOwner(
        `update organizations set max_concurrent_agents = case when id = '${free}' then 2 else 1 end`,
      );
      const [id] = await offer();
      expect(await asOwner(`select org_id from runs where id = '${id}'`)).toEqual([
        { org_id: free },
      ]);
      await takeBack();
    }
    await asOwner("update organizations set max_concurrent_agents = 1");
    expect(await offer()).toEqual([]);
  });
});
