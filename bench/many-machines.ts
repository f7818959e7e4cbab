import { randomUUID } from "node:crypto";
import { Agent } from "node:http";
import { join } from "node:path";
import type pg from "pg";
import type { Client } from "#shared/contract/client.js";
import {
  RUNNER_PATH,
  RUNNER_PROTOCOL,
  type OfferRequest,
} from "#shared/execution/runner/protocol.js";
import { readVerificationKey } from "#server/db/installation.js";
import {
  generateRunnerToken,
  hashRunnerToken,
} from "#server/features/execution/runners/manage-runners.js";
import { clusterEnv } from "#test/support/server/cluster-env.js";
import { askOnce } from "./support/single-request.js";
import {
  interleave,
  median,
  spread,
  timed,
  times,
  type Benchmark,
  type Row,
} from "./support/harness.js";
import { asOwner, withPostgres } from "./support/postgres.js";
import { startServer, withServer, type Server } from "./support/server.js";

const sizes = {
  small: { agents: 100, runs: 10_000, nodes: 50 },
  large: { agents: 10_000, runs: 1_000_000, nodes: 200 },
};
const agentsOfOrganization = 100;
/** One agent in this number waits for a runner, and another one runs on one. */
const share = 10;
const rounds = 100;
const mostTimes = 1.3;
const secret = "a secret for the benchmark, of no use elsewhere";
/** PostgreSQL reads a smaller table faster without an index. */
const largeTable = 1000;
/** The server's start checks for existing rows and reads a few. */
const fewRows = 100;

/** Claims, leases and lists must not depend on the number of agents, runs and servers. */
export const manyMachines: Benchmark = {
  name: "many-machines",
  method:
    `Two servers on one PostgreSQL, one with ${sizes.large.agents} agents, ${sizes.large.runs} runs and ` +
    `${sizes.large.nodes} registered servers, the other one with ${sizes.small.agents}, ${sizes.small.runs} and ` +
    `${sizes.small.nodes}. Organizations have ${agentsOfOrganization} agents each, and one agent in ${share} has a run ` +
    "that waits for a runner. The rows are inserted; the other servers and the agents' folders do not exist. Medians of " +
    `${rounds} alternating requests of one client, answered by the whole server. A table of at least ${largeTable} rows ` +
    `has a sequential scan if PostgreSQL counted more than ${fewRows} of its rows read without an index by the server of ` +
    "the large database. 100 organizations wait for runners in the large database, 1 in the small one.",
  run: (folder, log) =>
    withPostgres(folder, async ({ makeDatabase }) => {
      const prepare = async (name: "small" | "large"): Promise<Prepared> => {
        const databaseUrl = await makeDatabase(name);
        const options = {
          dataDir: join(folder, name),
          env: {
            OMOI_DATABASE_URL: databaseUrl,
            OMOI_SECRET: secret,
            ...(await clusterEnv("bench")),
          },
        };
        const made = await withServer(options, (_server, api) => makeFirst(api));
        const token = generateRunnerToken();
        const took = await timed(() =>
          asOwner(databaseUrl, (client) => fill(client, sizes[name], made, token)),
        );
        log(`filled ${name} in ${Math.round(took / 1000)} s`);
        return { databaseUrl, options, token, ...made };
      };
      const small = await prepare("small");
      const large = await prepare("large");
      const before = await rowsWithoutIndex(large.databaseUrl);
      const servers = {
        small: await startServer(small.options),
        large: await startServer(large.options),
      };
      let rows: Row[];
      try {
        rows = await measure(
          { ...small, server: servers.small },
          { ...large, server: servers.large },
          log,
        );
      } finally {
        await Promise.all([servers.small.stop(), servers.large.stop()]);
      }
      // Closed connections have reported all their statistics.
      const after = await rowsWithoutIndex(large.databaseUrl);
      const read = [...after].filter(([name, rows]) => rows - (before.get(name) ?? 0) > fewRows);
      return [
        ...rows,
        {
          label: "… large tables with sequential scans",
          result: read.map(([name]) => name).join(", ") || "none",
          baseline: "",
          ratio: "",
          target: `none of ${after.size}`,
          met: read.length === 0,
        },
      ];
    }),
};

interface First {
  key: string;
  orgId: string;
  projectId: string;
  agentId: string;
  runId: string;
}

interface Prepared extends First {
  databaseUrl: string;
  options: Parameters<typeof startServer>[0];
  /** The token of a runner. */
  token: string;
}

/** The organization that asks: its first project, an agent, and a run that sends heartbeats. */
async function makeFirst(api: Client): Promise<First> {
  const { data: organization } = await api.organizations.create({
    body: { name: "First", max_concurrent_agents: 100 },
  });
  const { data: project } = await api.projects.create({
    body: { organization_id: organization.id, name: "Project" },
  });
  const { data: agent } = await api.agents.create({
    body: { project_id: project.id, name: "worker-0" },
  });
  const { data: run } = await api.runs.create({
    params: { agent_id: agent.id },
    body: { external: true },
  });
  const { data } = await api.apiKeys.create({ body: { name: "Bench" } });
  return {
    key: data.key as string,
    orgId: organization.id,
    projectId: project.id,
    agentId: agent.id,
    runId: run.id,
  };
}

/** Inserts organizations, projects, agents, runs, servers and a runner, as the owner of the database. */
async function fill(
  client: pg.ClientBase,
  { agents, runs, nodes }: (typeof sizes)["small"],
  { orgId, projectId, agentId }: First,
  token: string,
): Promise<void> {
  const names = ["organizations", "organization_slugs", "projects", "agents", "workspaces", "runs"];
  for (const name of names) await client.query(`alter table ${name} disable trigger user`);
  const organizations = agents / agentsOfOrganization;
  const { rows } = await client.query<{ owner: string }>(
    "select owner_id as owner from organizations where id = $1",
    [orgId],
  );
  const owner = rows[0]?.owner;
  await client.query(
    `insert into nodes (id, name, url, lease_until)
     select gen_random_uuid(), format('node-%s', lpad(n::text, 4, '0')), 'http://192.0.2.1:8080', now() + interval '10 years'
     from generate_series(2, $1::int) n`,
    [nodes],
  );
  await client.query("alter table nodes add column place_in_bench int");
  await client.query(
    "update nodes set place_in_bench = p.number from (select id, row_number() over (order by name) - 1 as number from nodes) p where p.id = nodes.id",
  );
  await client.query(
    `insert into organizations (id, name, slug, owner_id)
     select md5('organization ' || n)::uuid, 'Organization ' || n, 'organization-' || n, $2
     from generate_series(1, $1::int - 1) n`,
    [organizations, owner],
  );
  await client.query(
    `insert into projects (id, org_id, name, slug, default_branch, status, home_node)
     select md5('project ' || n)::uuid, md5('organization ' || n)::uuid, 'Project', 'project', 'main', 'ready',
       (select id from nodes where place_in_bench = n % $2::int)
     from generate_series(1, $1::int - 1) n`,
    [organizations, nodes],
  );
  await client.query("alter table nodes drop column place_in_bench");
  await client.query(
    `insert into agents (id, org_id, project_id, name)
     select md5('agent ' || n)::uuid,
       case when n < $2 then $3::uuid else md5('organization ' || n / $2)::uuid end,
       case when n < $2 then $4::uuid else md5('project ' || n / $2)::uuid end, 'worker-' || n
     from generate_series(1, $1::int - 1) n`,
    [agents, agentsOfOrganization, orgId, projectId],
  );
  await client.query(
    `insert into workspaces (agent_id, org_id, project_id, branch_name, base_branch, workspace_type, status,
       head_commit, parent_commit)
     select id, org_id, project_id, 'workspace-' || name, 'main', 'remote', 'active', repeat('0', 40), repeat('0', 40)
     from agents where id <> $1`,
    [agentId],
  );
  await client.query(
    `insert into runs (id, org_id, agent_id, kind, status, started_at, ended_at, created_at, command, network,
       exit_code)
     select gen_random_uuid(), a.org_id, a.id, 'managed', 'succeeded', at, at + interval '5 minutes', at,
       '{make,test}', 'none', 0
     from agents a, generate_series(1, $1::int) n,
       lateral (select now() - interval '40 days' - n * interval '1 hour' as at) times`,
    [runs / agents],
  );
  const runnerId = randomUUID();
  const hash = hashRunnerToken(await readVerificationKey(client, secret), token);
  await client.query("insert into runners (id, name, token_hash) values ($1, 'bench', $2)", [
    runnerId,
    hash,
  ]);
  const placed = `(select id, org_id, row_number() over (partition by project_id order by name) as place
    from agents where id <> '${agentId}') a`;
  await client.query(
    `insert into runs (id, org_id, agent_id, kind, status, started_at, command, network, runner_labels)
     select gen_random_uuid(), org_id, id, 'managed', 'queued', null, '{make,test}', 'none', '{}'
     from ${placed} where place % $1::int = 1`,
    [share],
  );
  // Ten runs of the runner, in the organization that asks.
  await client.query(
    `insert into runs (id, org_id, agent_id, kind, status, started_at, command, network, runner_labels, runner_id,
       lease_expires_at, last_heartbeat_at)
     select gen_random_uuid(), org_id, id, 'managed', 'running', now(), '{make,test}', 'none', '{}', $1,
       now() + interval '10 years', now()
     from ${placed} where place % $2::int = 2 and org_id = $3`,
    [runnerId, share, orgId],
  );
  await client.query(
    "update runs set lease_expires_at = now() + interval '10 years' where status = 'running'",
  );
  for (const name of names) await client.query(`alter table ${name} enable trigger user`);
  // Like a database that has been in use for a while.
  await client.query("vacuum (freeze, analyze)");
}

/** Rows read without an index, per large table. */
async function rowsWithoutIndex(databaseUrl: string): Promise<Map<string, number>> {
  return asOwner(databaseUrl, async (client) => {
    const { rows } = await client.query<{ name: string; count: number }>(
      `select s.relname as name, s.seq_tup_read::int as count
       from pg_stat_user_tables s join pg_class c on c.oid = s.relid where s.schemaname = 'public' and c.reltuples >= $1
       order by 1`,
      [largeTable],
    );
    return new Map(rows.map(({ name, count }) => [name, count]));
  });
}

type Place = Prepared & { server: Server; runnerRuns: readonly string[] };

interface Request {
  label: string;
  method: "GET" | "POST";
  path(place: Place): string;
  /** JSON; null for none. */
  body?(place: Place): unknown;
  /** Whether the runner sends it, rather than the person. */
  ofRunner?: true;
  /** Makes the request possible again. */
  undo?: (client: pg.Client) => Promise<unknown>;
}

const api = "/api/v1";

const requests: readonly Request[] = [
  {
    label: "A runner asks for a run",
    method: "POST",
    path: () => `${RUNNER_PATH}/offers`,
    body: (): OfferRequest => ({
      protocol: RUNNER_PROTOCOL,
      labels: [],
      networks: ["none"],
      slots: 10,
      free: 1,
      version: "bench",
      host: "bench",
      wait_seconds: 0,
    }),
    ofRunner: true,
    undo: (client) =>
      client.query(
        "update runs set runner_id = null, offered_until = null where status = 'queued' and runner_id is not null",
      ),
  },
  {
    label: "A runner extends the leases of its runs",
    method: "POST",
    path: () => `${RUNNER_PATH}/heartbeats`,
    body: ({ runnerRuns }) => ({
      runs: runnerRuns.map((run_id) => ({ run_id, output_bytes: 0, output_truncated: false })),
    }),
    ofRunner: true,
  },
  {
    label: "An external run extends its lease",
    method: "POST",
    path: ({ runId }) => `${api}/runs/${runId}/heartbeat`,
  },
  {
    label: "List the runs of an agent",
    method: "GET",
    path: ({ agentId }) => `${api}/agents/${agentId}/runs`,
  },
  {
    label: "List the agents of a project",
    method: "GET",
    path: ({ projectId }) => `${api}/agents?project_id=${projectId}`,
  },
  {
    label: "List 50 servers",
    method: "GET",
    path: () => `${api}/admin/nodes?limit=50`,
  },
];

async function measure(
  small: Omit<Place, "runnerRuns">,
  large: Omit<Place, "runnerRuns">,
  log: (line: string) => void,
): Promise<Row[]> {
  const agent = new Agent({ keepAlive: true });
  const places = { small: await withRuns(small), large: await withRuns(large) };
  const rows: Row[] = [];
  try {
    for (const request of requests) {
      log(request.label);
      const ask = async (place: Place): Promise<number> => {
        const credential = request.ofRunner ? place.token : place.key;
        const url = place.server.url + request.path(place);
        const took = await timed(() =>
          askOnce(agent, url, credential, {
            method: request.method,
            body: request.body?.(place) ?? null,
          }),
        );
        if (request.undo) await asOwner(place.databaseUrl, request.undo);
        return took;
      };
      const figures = await interleave(rounds, {
        small: () => ask(places.small),
        large: () => ask(places.large),
      });
      const [one, other] = [median(figures.large), median(figures.small)];
      rows.push({
        label: request.label,
        result: `p50 ${one.toFixed(2)} ms`,
        baseline: `p50 ${other.toFixed(2)} ms, small`,
        ratio: `${times(one / other)} (${spread(figures.large, figures.small)})`,
        target: `at most ${mostTimes} ×`,
        met: one / other <= mostTimes,
      });
    }
  } finally {
    agent.destroy();
  }
  return rows;
}

async function withRuns(place: Omit<Place, "runnerRuns">): Promise<Place> {
  const { rows } = await asOwner(place.databaseUrl, (client) =>
    client.query<{ id: string }>(
      "select id from runs where status = 'running' and runner_id is not null",
    ),
  );
  return { ...place, runnerRuns: rows.map(({ id }) => id) };
}
