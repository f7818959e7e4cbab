import { createHmac, randomUUID } from "node:crypto";
import { join } from "node:path";
import pg from "pg";
import type { Client } from "#shared/contract/client.js";
import type { ForgeWithWebhook } from "#shared/api/work/forges.js";
import { pollIntervals } from "#server/features/work/forges/events/polling/poll-intervals.js";
import type { ForgeDouble } from "#test/support/forges/forge-double.js";
import { startGithub } from "#test/support/forges/github/github-double.js";
import type { DoubleRepository } from "#test/support/forges/repository.js";
import { median, ms, times, type Benchmark, type Row } from "./support/harness.js";
import { withPostgres } from "./support/postgres.js";
import { withServer } from "./support/server.js";

const token = "a-token-of-the-forge-0123456789";
const events = 1000;
const single = 20;
const connections = 32;
const maxMs = 1000;
const maxRatio = 1.2;
const pauseMs = 20;
const repositories = 1000;
const maxRequests = 5000;

/** Events of a forge must reach their tasks soon, and a burst of them must neither be lost nor delay others. */
export const forges: Benchmark = {
  name: "forges",
  method:
    `A double of GitHub with issues that are labeled. ${single} signed events, one after the other, until the agent of each has ` +
    `its prompt; then ${events} by ${connections} connections, of as many issues. Meanwhile another organization lists its tasks every ${pauseMs} ms, ` +
    `as it does before. The requests of polling ${repositories} repositories are computed from the intervals in use.`,
  run: (folder, log) =>
    withPostgres(folder, async ({ makeDatabase }) => {
      const databaseUrl = await makeDatabase("omoi");
      const env = { OMOI_DATABASE_URL: databaseUrl, OMOI_FORGE_PRIVATE_HOSTS: "true" };
      const double = await startGithub();
      try {
        return await withServer({ dataDir: join(folder, "data"), env }, async (_server, api) => {
          double.tokens.set(token, { login: "omoi-bot", reach: null });
          const shop = await double.addRepository("acme/shop", { "a.txt": "a\n" });
          shop.permissions.set("omoi-bot", "admin");
          const world = await prepare(api, double);
          log("prepared");
          const client = new pg.Client(databaseUrl);
          await client.connect();
          try {
            return await measure(api, client, shop, world);
          } finally {
            await client.end();
          }
        });
      } finally {
        await double.close();
      }
    }),
};

interface World {
  forge: ForgeWithWebhook;
  /** A project of another organization. */
  otherId: string;
}

async function prepare(api: Client, double: ForgeDouble): Promise<World> {
  const { data: org } = await api.organizations.create({ body: { name: "Busy" } });
  const { data: quiet } = await api.organizations.create({ body: { name: "Quiet" } });
  const { data: other } = await api.projects.create({
    body: { organization_id: quiet.id, name: "site" },
  });
  const { data: forge } = await api.forges.create({
    params: { org_id: org.id },
    body: {
      kind: "github",
      url: double.url,
      api_url: double.apiUrl,
      token,
      delivery: "webhook",
    },
  });
  const { data: me } = await api.auth.me();
  await api.forgePeople.set({
    params: { org_id: org.id, forge_id: forge.id, login: "lead" },
    body: { user_id: me.id },
  });
  const { data: project } = await api.projects.create({
    body: { organization_id: org.id, name: "Shop", forge_id: forge.id, repository: "acme/shop" },
  });
  const params = { project_id: project.id };
  while ((await api.projects.get({ params })).data.status !== "ready") await pause(100);
  // The events are sent here, by a limited number of connections, and not by the double as well.
  while (double.outbox.hooks.length === 0) await pause(100);
  double.outbox.hooks.length = 0;
  const { data: defaults } = await api.automations.list({ params });
  for (const { id } of defaults) {
    await api.automations.delete({ params: { ...params, automation_id: id } });
  }
  await api.automations.create({
    params,
    body: {
      name: "Start a task",
      triggers: [{ type: "forge", events: ["issue.labeled"] }],
      action: {
        type: "create_task",
        title: "{{event.issue.title}}",
        body: "{{event.issue.body}}",
        preset: "custom",
        command: ["/bin/cat"],
      },
      limits: { per_day: 10_000, at_once: 1000 },
    },
  });
  return { forge, otherId: other.id };
}

const pause = (milliseconds: number): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, milliseconds);
  });

/** Sends the event of a label, signed. */
async function send({ webhook }: ForgeWithWebhook, number: number): Promise<void> {
  if (webhook === null) throw new Error("the connection has no webhook");
  const body = JSON.stringify({
    action: "labeled",
    issue: { number },
    repository: { full_name: "acme/shop" },
    sender: { login: "lead", type: "User" },
  });
  const signature = createHmac("sha256", webhook.secret).update(body).digest("hex");
  const answer = await fetch(webhook.url, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      "x-github-event": "issues",
      "x-github-delivery": randomUUID(),
      "x-hub-signature-256": `sha256=${signature}`,
    },
    body,
  });
  // A body that is not read keeps its connection, of which an address has few.
  const text = await answer.text();
  if (answer.status !== 200) {
    throw new Error(`an event was answered with ${answer.status}: ${text}`);
  }
}

function listSteadily(api: Client, projectId: string): { stop: () => Promise<number[]> } {
  const latencies: number[] = [];
  const stopping = new AbortController();
  const run = (async () => {
    while (!stopping.signal.aborted) {
      const start = performance.now();
      await api.tasks.list({ params: { project_id: projectId }, query: {} });
      latencies.push(performance.now() - start);
      await pause(pauseMs);
    }
  })();
  // A failure of the measurement itself ends the server first.
  run.catch(() => {});
  return {
    stop: async () => {
      stopping.abort();
      await run;
      return latencies;
    },
  };
}

const fired = async (client: pg.Client): Promise<{ all: number; tasks: number }> => {
  const { rows } = await client.query<{ all: number; tasks: number }>(
    `select count(*)::int as all, count(distinct task_id)::int as tasks from automation_firings
     where decision = 'fired'`,
  );
  return rows[0] ?? { all: 0, tasks: 0 };
};

async function untilFired(client: pg.Client, count: number, seconds: number): Promise<void> {
  const end = performance.now() + seconds * 1000;
  while ((await fired(client)).all < count && performance.now() < end) await pause(10);
}

/** Waits until the agents of so many tasks have their first prompt. */
async function untilPrompted(client: pg.Client, count: number, seconds: number): Promise<void> {
  const end = performance.now() + seconds * 1000;
  for (;;) {
    const { rows } = await client.query<{ prompts: number }>(
      "select count(*)::int as prompts from agent_session_inputs where kind = 'prompt'",
    );
    if ((rows[0]?.prompts ?? 0) >= count || performance.now() > end) return;
    await pause(10);
  }
}

async function measure(
  api: Client,
  client: pg.Client,
  shop: DoubleRepository,
  { forge, otherId }: World,
): Promise<Row[]> {
  const label = (): number => {
    const issue = shop.openIssue("Round half cents", "Please.");
    shop.changeIssue(issue, { label: "omoi" });
    return issue.number;
  };
  const latencies: number[] = [];
  for (let sent = 1; sent <= single; sent += 1) {
    const number = label();
    const start = performance.now();
    await send(forge, number);
    await untilPrompted(client, sent, 60);
    latencies.push(performance.now() - start);
  }
  const before = listSteadily(api, otherId);
  await pause(10_000);
  const quiet = await before.stop();
  const numbers = Array.from({ length: events }, label);
  const during = listSteadily(api, otherId);
  const start = performance.now();
  // The server limits the connections of one address.
  const left = [...numbers];
  const sender = async (): Promise<void> => {
    for (let number = left.shift(); number !== undefined; number = left.shift()) {
      await send(forge, number);
    }
  };
  await Promise.all(Array.from({ length: connections }, sender));
  const answered = performance.now() - start;
  await untilFired(client, single + events, 600);
  const seconds = (performance.now() - start) / 1000;
  const busy = await during.stop();
  const { all, tasks } = await fired(client);
  const ratio = median(busy) / median(quiet);
  const asked = requestsPerHour(0);
  const active = requestsPerHour(100);
  return [
    {
      label: "An event to the prompt of the task's agent, median",
      result: ms(median(latencies)),
      baseline: "",
      ratio: "",
      target: `at most ${ms(maxMs)}`,
      met: median(latencies) <= maxMs,
    },
    {
      label: `${events} events at once`,
      result: `${all - single} fired, ${tasks - single} tasks, in ${seconds.toFixed(1)} s`,
      baseline: `answered in ${ms(answered)}`,
      ratio: "",
      target: "none lost, none doubled",
      met: all === single + events && tasks === all,
    },
    {
      label: "Another organization's list of tasks meanwhile, median",
      result: ms(median(busy)),
      baseline: `${ms(median(quiet))}, before`,
      ratio: times(ratio),
      target: `at most ${maxRatio} ×`,
      met: ratio <= maxRatio,
    },
    {
      label: `Requests in an hour for ${repositories} repositories of GitHub`,
      result: `${asked}; ${active} with 100 active ones`,
      baseline: "",
      ratio: "",
      target: `at most ${maxRequests}`,
      met: Math.max(asked, active) <= maxRequests,
    },
  ];
}

/** Requests of polling if no answer is from a cache. */
function requestsPerHour(active: number): number {
  const intervals = pollIntervals("github", { repositories, active });
  return Math.ceil(
    (active * 3600) / intervals.active + ((repositories - active) * 3600) / intervals.idle,
  );
}
