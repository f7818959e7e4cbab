import { join } from "node:path";
import pg from "pg";
import type { Client } from "#shared/contract/client.js";
import { median, ms, times, type Benchmark, type Row } from "./support/harness.js";
import { withPostgres } from "./support/postgres.js";
import { withServer } from "./support/server.js";

const organizations = 100;
const perOrganization = 100;
const total = organizations * perOrganization;
const maxSeconds = 60;
const maxRatio = 1.5;
const pauseMs = 20;

/** Many automations that are due in the same minute must all fire soon, and not delay others. */
export const automations: Benchmark = {
  name: "automations",
  method:
    `${total} automations of ${organizations} organizations are due at once: until each has created its task. Meanwhile another ` +
    `organization lists its tasks every ${pauseMs} ms, as it does before. The agents of the first tasks start meanwhile.`,
  run: (folder, log) =>
    withPostgres(folder, async ({ makeDatabase }) => {
      const databaseUrl = await makeDatabase("omoi");
      const options = { dataDir: join(folder, "data"), env: { OMOI_DATABASE_URL: databaseUrl } };
      return withServer(options, async (_server, api) => {
        const projectId = await prepare(api, databaseUrl);
        log("prepared");
        const client = new pg.Client(databaseUrl);
        await client.connect();
        try {
          return await measure(api, client, projectId);
        } finally {
          await client.end();
        }
      });
    }),
};

/** Creates the organizations with their automations, and returns the project of another one. */
async function prepare(api: Client, databaseUrl: string): Promise<string> {
  const projects: string[] = [];
  for (let number = 0; number <= organizations; number += 1) {
    const { data: org } = await api.organizations.create({ body: { name: `Team ${number}` } });
    const { data: project } = await api.projects.create({
      body: { organization_id: org.id, name: "shop" },
    });
    projects.push(project.id);
  }
  const [other = "", ...busy] = projects;
  const { data: me } = await api.auth.me();
  const client = new pg.Client(databaseUrl);
  await client.connect();
  const origin = { actor: { userId: me.id, agent: null, key: null }, ip: null, requestId: null };
  await client.query(
    `insert into automations (id, org_id, project_id, name, status, triggers, event_types, filter, action, owner_id,
       origin, per_day, at_once, overlap)
     select gen_random_uuid(), p.org_id, p.id, 'Nightly ' || n, 'active',
       '[{"type": "schedule", "cron": "0 3 * * *", "timezone": "Europe/Berlin"}]', '{}', '[]',
       '{"type": "create_task", "title": "Hunt a flaky test", "body": "Run the tests ten times.", "preset": "custom", "command": ["/bin/cat"]}',
       $2, $3, 50, 5, 'skip'
     from projects p cross join generate_series(1, $4) n where p.id = any($1::uuid[])`,
    [busy, me.id, JSON.stringify(origin), perOrganization],
  );
  await client.end();
  return other;
}

/** Lists tasks at a steady rate until it is stopped. Returns the milliseconds of each answer. */
function listSteadily(api: Client, projectId: string): { stop: () => Promise<number[]> } {
  const latencies: number[] = [];
  const stopping = new AbortController();
  const run = (async () => {
    while (!stopping.signal.aborted) {
      const start = performance.now();
      await api.tasks.list({ params: { project_id: projectId }, query: {} });
      latencies.push(performance.now() - start);
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
  })();
  return {
    stop: async () => {
      stopping.abort();
      await run;
      return latencies;
    },
  };
}

const p95 = (latencies: readonly number[]): number =>
  latencies.toSorted((one, other) => one - other)[Math.floor(latencies.length * 0.95)] ?? 0;

async function measure(api: Client, client: pg.Client, projectId: string): Promise<Row[]> {
  const before = listSteadily(api, projectId);
  await new Promise((resolve) => setTimeout(resolve, 20_000));
  const quiet = await before.stop();
  const during = listSteadily(api, projectId);
  const start = performance.now();
  await client.query("update automations set next_at = now()");
  let fired = 0;
  let seconds = 0;
  while (fired < total && seconds < 300) {
    await new Promise((resolve) => setTimeout(resolve, 500));
    const { rows } = await client.query<{ fired: number }>(
      "select count(*)::int as fired from automation_firings where task_id is not null",
    );
    fired = rows[0]?.fired ?? 0;
    seconds = (performance.now() - start) / 1000;
  }
  const busy = await during.stop();
  const ratio = p95(busy) / p95(quiet);
  return [
    {
      label: `${total} automations due at once, until the last has its task`,
      result: `${seconds.toFixed(1)} s, ${fired} tasks`,
      baseline: "",
      ratio: "",
      target: `at most ${maxSeconds} s`,
      met: fired === total && seconds <= maxSeconds,
    },
    {
      label: "Another organization's list of tasks meanwhile, p95",
      result: `${ms(p95(busy))} (median ${ms(median(busy))})`,
      baseline: `${ms(p95(quiet))}, before`,
      ratio: times(ratio),
      target: `at most ${maxRatio} ×`,
      met: ratio <= maxRatio,
    },
  ];
}
