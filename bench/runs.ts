import { join } from "node:path";
import pg from "pg";
import { insertPastRuns } from "#test/support/database/past-runs.js";
import { followLog, shell } from "#test/support/fixtures/runs.js";
import { addressFromUrl } from "#server/db/connection/address.js";
import type { Client } from "#shared/contract/client.js";
import { median, ms, timed, type Benchmark, type Row } from "./support/harness.js";
import { load } from "./support/load.js";
import { withPostgres } from "./support/postgres.js";
import { clientOf, withServer, type Server } from "./support/server.js";

const starts = 30;
const streams = 20;
const lines = 5000;
const pastRuns = 10_000;
const decisions = 100;

/** Commands that consume as many resources as they can. */
const hostile = [
  ":(){ :|:& };:; sleep 30",
  "while :; do (sleep 1000 &) ; done",
  "yes 'a flood of output, line after line, without an end'",
  "x=a; while :; do x=$x$x; done",
  "i=0; while :; do i=$((i+1)); echo $i > f$i; done",
];

/** The cost of running commands, for the caller and for others. */
export const runs: Benchmark = {
  name: "runs",
  method:
    "One server with its own PostgreSQL. First line: from the request that starts `echo` to its " +
    `first line in an event stream opened after the response, median of ${starts}. Streams: ` +
    `${streams} runs of ${lines} lines each, followed from their start by ${streams} readers; a line ` +
    "is lost if a reader's text differs. Quota check: the start of a leased run, from request to " +
    `response, in an organization with ${pastRuns} runs this month (vacuumed), median of ` +
    `${decisions}. Hostile runs: GET of one organization, 10 connections for 5 s, while ` +
    `${hostile.length} commands fork endlessly, leave daemons, flood their output, allocate memory ` +
    "and fill the folder.",
  run: (folder, log) =>
    withPostgres(folder, async ({ makeDatabase }) => {
      const address = await makeDatabase("omoi");
      const options = { dataDir: join(folder, "data"), env: { OMOI_DATABASE_URL: address } };
      return withServer(options, async (server, api) => {
        const { data: state } = await api.sandbox.get();
        if (state.mode === "unavailable") {
          log(`no sandbox available: ${state.reason}`);
          return [];
        }
        const { data: key } = await api.apiKeys.create({ body: { name: "Bench" } });
        const bench = { server, api: clientOf(server.url, key.key), token: key.key as string };
        log("first lines");
        const first = await firstLines(bench);
        log("streams");
        const streamed = await streamAll(bench);
        log("quota checks");
        const decided = await decide(bench, addressFromUrl(address));
        log("hostile runs");
        return [first, streamed, decided, ...(await besideHostile(bench))];
      });
    }),
};

interface Bench {
  server: Server;
  api: Client;
  token: string;
}

async function makeProject(api: Client, places: number) {
  const { data: organization } = await api.organizations.create({
    body: { name: "Runs", max_concurrent_agents: places },
  });
  const body = { organization_id: organization.id, name: "Project" };
  const { data: project } = await api.projects.create({ body });
  let made = 0;
  const agent = async (): Promise<string> => {
    made += 1;
    const { data } = await api.agents.create({
      body: { project_id: project.id, name: `worker-${made}` },
    });
    return data.id;
  };
  const worker = async (): Promise<string> => {
    const agent_id = await agent();
    await api.workspaces.create({ params: { agent_id } });
    return agent_id;
  };
  return { organization, agent, worker };
}

async function firstLines({ server, api, token }: Bench): Promise<Row> {
  const { worker } = await makeProject(api, 5);
  const params = { agent_id: await worker() };
  const took: number[] = [];
  for (let round = 0; round <= starts; round += 1) {
    const begin = performance.now();
    const { data: run } = await api.runs.create({
      params,
      body: { command: shell("echo here; sleep 0.3") },
    });
    await followLog(server, { token }, run.id, { stop: (events) => events.length > 0 });
    // The first one warms up.
    if (round > 0) took.push(performance.now() - begin);
    await followLog(server, { token }, run.id);
  }
  const figure = median(took);
  return {
    label: "From starting a command to its first log line in the stream",
    result: ms(figure),
    baseline: "",
    ratio: "",
    target: "under 150 ms",
    met: figure < 150,
  };
}

async function streamAll({ server, api, token }: Bench): Promise<Row> {
  const { worker } = await makeProject(api, streams);
  const agents = await Promise.all(Array.from({ length: streams }, worker));
  const command = shell(`i=0; while [ $i -lt ${lines} ]; do echo "line $i"; i=$((i+1)); done`);
  const expected = Array.from({ length: lines }, (_, line) => `line ${line}\n`).join("");
  let lost = 0;
  const took = await timed(() =>
    Promise.all(
      agents.map(async (agent_id) => {
        const { data: run } = await api.runs.create({ params: { agent_id }, body: { command } });
        const { events } = await followLog(server, { token }, run.id);
        const text = events.map((event) => event.text).join("");
        if (text !== expected) lost += Math.max(1, lines - text.split("\n").length + 1);
      }),
    ),
  );
  return {
    label: `${streams} commands of ${lines} lines streamed to ${streams} readers`,
    result: `${lost} lines lost, ${ms(took)}`,
    baseline: "",
    ratio: "",
    target: "none lost",
    met: lost === 0,
  };
}

async function decide(
  { api }: Bench,
  owner: Parameters<typeof insertPastRuns>[0]["owner"],
): Promise<Row> {
  const { organization, agent } = await makeProject(api, 5);
  const agents = await Promise.all(Array.from({ length: 10 }, agent));
  const monthStart = Date.parse(`${new Date().toISOString().slice(0, 7)}-01T00:00:00Z`);
  const span = Math.max(1, Math.floor((Date.now() - monthStart) / (pastRuns + 1)));
  await insertPastRuns(
    { owner },
    organization.id,
    Array.from({ length: pastRuns }, (_, index) => ({
      agentId: agents[index % agents.length] as string,
      from: new Date(monthStart + index * span).toISOString(),
      to: new Date(monthStart + index * span + Math.min(span, 1000)).toISOString(),
    })),
  );
  // Like after autovacuum.
  const client = new pg.Client(owner);
  await client.connect();
  await client.query("vacuum (analyze) runs");
  await client.end();
  const params = { agent_id: agents[0] as string };
  const took: number[] = [];
  for (let round = 0; round <= decisions; round += 1) {
    let id = "";
    const one = await timed(async () => {
      ({ id } = (await api.runs.create({ params, body: { external: true } })).data);
    });
    if (round > 0) took.push(one);
    await api.runs.stop({ params: { run_id: id } });
  }
  const figure = median(took);
  return {
    label: `Quota check of a start, with ${pastRuns} past runs`,
    result: `p50 ${ms(figure)}`,
    baseline: "",
    ratio: "",
    target: "under 5 ms",
    met: figure < 5,
  };
}

async function besideHostile({ server, api, token }: Bench): Promise<Row[]> {
  const { organization, worker } = await makeProject(api, hostile.length);
  const request = {
    url: `${server.url}/api/v1/organizations/${organization.id}`,
    connections: 10,
    seconds: 5,
    headers: { authorization: `Bearer ${token}` },
  };
  const alone = await load(request);
  const ids: string[] = [];
  for (const script of hostile) {
    const params = { agent_id: await worker() };
    const body = { command: ["/bin/bash", "-c", script], timeout_seconds: 60 };
    ids.push((await api.runs.create({ params, body })).data.id);
  }
  const beside = await load(request);
  await Promise.all(ids.map((run_id) => api.runs.stop({ params: { run_id } })));
  return [
    {
      label: `API during ${hostile.length} hostile commands`,
      result: `p99 ${ms(beside.p99)}, ${Math.round(beside.requestsPerSecond)} requests/s`,
      baseline: `p99 ${ms(alone.p99)}, ${Math.round(alone.requestsPerSecond)} requests/s, alone`,
      ratio: "",
      target: "p99 under 50 ms",
      met: beside.p99 < 50,
    },
  ];
}
