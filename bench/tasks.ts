import { join } from "node:path";
import type { Client } from "#shared/contract/client.js";
import {
  interleave,
  median,
  ms,
  spread,
  timed,
  times,
  type Benchmark,
  type Row,
} from "./support/harness.js";
import { asOwner, withPostgres } from "./support/postgres.js";
import { withServer } from "./support/server.js";

const rounds = 40;
const few = 100;
const many = 10_000;

/** Lists of tasks must not depend on their number. */
export const tasks: Benchmark = {
  name: "tasks",
  method:
    `An organization with ${many} tasks, of which one in fifty needs a person, alternates with one of ${few}; ` +
    `${rounds} rounds.`,
  run: (folder, log) =>
    withPostgres(folder, async ({ makeDatabase }) => {
      const databaseUrl = await makeDatabase("omoi");
      const options = { dataDir: join(folder, "data"), env: { OMOI_DATABASE_URL: databaseUrl } };
      return withServer(options, async (_server, api) => {
        const small = await prepare(api, databaseUrl, "Small", few);
        const large = await prepare(api, databaseUrl, "Large", many);
        log("filled");
        return measureLists(api, small, large);
      });
    }),
};

interface Place {
  orgId: string;
  projectId: string;
}

async function prepare(
  api: Client,
  databaseUrl: string,
  name: string,
  count: number,
): Promise<Place> {
  const { data: org } = await api.organizations.create({ body: { name } });
  const { data: project } = await api.projects.create({
    body: { organization_id: org.id, name },
  });
  const { data: me } = await api.auth.me();
  const question = JSON.stringify({
    kind: "question",
    since: new Date().toISOString(),
    summary: "Should refunds round the same way?",
    attempt_id: null,
  });
  await asOwner(databaseUrl, async (client) => {
    await client.query(
      `insert into tasks (id, org_id, project_id, number, title, body, owner_id, source, created_by, origin, status,
         attention, urgency, resolution, finished_at)
       select gen_random_uuid(), $1, $2, n, 'Task number ' || n, repeat('What is to be done. ', 20), $3,
         '{"kind": "person", "url": null, "id": null}', $4,
         '{"actor": null, "ip": null, "requestId": null}',
         case when n % 50 = 0 then 'needs_you' when n % 3 = 0 then 'open' else 'done' end,
         case when n % 50 = 0 then $5::jsonb end, case when n % 50 = 0 then 20 else 100 end,
         case when n % 50 <> 0 and n % 3 <> 0 then 'done' end,
         case when n % 50 <> 0 and n % 3 <> 0 then now() end
       from generate_series(1, $6::int) n`,
      [
        org.id,
        project.id,
        me.id,
        JSON.stringify({ type: "user", id: me.id, name: "Ada" }),
        question,
        count,
      ],
    );
    await client.query("analyze tasks");
  });
  return { orgId: org.id, projectId: project.id };
}

async function measureLists(api: Client, small: Place, large: Place): Promise<Row[]> {
  const lists: Record<string, (place: Place) => Promise<unknown>> = {
    "GET /projects/{id}/tasks": ({ projectId }) =>
      api.tasks.list({ params: { project_id: projectId }, query: { limit: 50 } }),
    "… of those that are unfinished": ({ projectId }) =>
      api.tasks.list({
        params: { project_id: projectId },
        query: { limit: 30, status: "unfinished" },
      }),
    "GET /organizations/{id}/tasks, by urgency": ({ orgId }) =>
      api.tasks.listAll({ params: { org_id: orgId }, query: { limit: 50, sort: "urgency" } }),
    "GET /organizations/{id}/attention, two rows": ({ orgId }) =>
      api.overview.attention({ params: { org_id: orgId }, query: { limit: 2 } }),
  };
  const rows: Row[] = [];
  for (const [label, list] of Object.entries(lists)) {
    const figures = await interleave(rounds, {
      large: () => timed(() => list(large)),
      small: () => timed(() => list(small)),
    });
    const ratio = median(figures.large) / median(figures.small);
    rows.push({
      label: `${label}, ${many} tasks`,
      result: ms(median(figures.large)),
      baseline: `${ms(median(figures.small))}, ${few} tasks`,
      ratio: `${times(ratio)} (${spread(figures.large, figures.small)})`,
      target: "at most 1.2 ×",
      met: ratio <= 1.2,
    });
  }
  return rows;
}
