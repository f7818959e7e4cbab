import { join } from "node:path";
import { ApiError, type Client } from "#shared/contract/client.js";
import { median, ms, type Benchmark } from "./support/harness.js";
import { withPostgres } from "./support/postgres.js";
import { clientOf, startServer, withServer } from "./support/server.js";

const rounds = 100;
const starts = 30;
const limit = 3;

/** A quota must hold under concurrent starts through several processes. */
export const quota: Benchmark = {
  name: "quota",
  method:
    `Two server processes share one PostgreSQL. ${starts} agents of one organization with a limit of ` +
    `${limit} are started at once, half of them through each process. A round is exact if ${limit} ` +
    "starts succeed and all others are rejected as over the quota; the runs are then stopped. The " +
    "time is from the first request to the last response.",
  run: (folder, log) =>
    withPostgres(folder, async ({ makeDatabase }) => {
      const options = {
        dataDir: join(folder, "data"),
        env: { OMOI_DATABASE_URL: await makeDatabase("omoi") },
      };
      return withServer(options, async (first, api) => {
        const second = await startServer(options);
        try {
          const agentIds = await makeAgents(api);
          const { data: made } = await api.apiKeys.create({ body: { name: "Bench" } });
          const clients = [first, second].map(({ url }) => clientOf(url, made.key));
          const took: number[] = [];
          let exact = 0;
          for (let round = 1; round <= rounds; round += 1) {
            if (round % 10 === 0) log(`round ${round} of ${rounds}`);
            const begin = performance.now();
            const outcomes = await startAll(clients, agentIds);
            took.push(performance.now() - begin);
            if (isExact(outcomes)) exact += 1;
            else
              log(`round ${round}: ${outcomes.filter((one) => one.runId !== null).length} started`);
            await Promise.all(
              outcomes.flatMap(({ runId }) =>
                runId === null ? [] : [api.runs.stop({ params: { run_id: runId } })],
              ),
            );
          }
          return [
            {
              label: `${starts} concurrent starts in two processes, limit ${limit}`,
              result: `exactly ${limit} in ${exact} of ${rounds} rounds, ${ms(median(took))} a round`,
              baseline: "",
              ratio: "",
              target: "every round",
              met: exact === rounds,
            },
          ];
        } finally {
          await second.stop();
        }
      });
    }),
};

async function makeAgents(api: Client): Promise<string[]> {
  const { data: organization } = await api.organizations.create({
    body: { name: "Limited", max_concurrent_agents: limit },
  });
  const { data: project } = await api.projects.create({
    body: { organization_id: organization.id, name: "Project" },
  });
  const ids: string[] = [];
  for (let number = 1; number <= starts; number += 1) {
    const body = { project_id: project.id, name: `worker-${number}` };
    ids.push((await api.agents.create({ body })).data.id);
  }
  return ids;
}

interface Outcome {
  /** Null if the start was refused. */
  runId: string | null;
  code: string | null;
}

function startAll(clients: readonly Client[], agentIds: readonly string[]): Promise<Outcome[]> {
  return Promise.all(
    agentIds.map(async (agent_id, index): Promise<Outcome> => {
      const client = clients[index % clients.length] as Client;
      try {
        const started = { params: { agent_id }, body: { external: true } } as const;
        return { runId: (await client.runs.create(started)).data.id, code: null };
      } catch (error) {
        if (!(error instanceof ApiError)) throw error;
        return { runId: null, code: error.problem.code };
      }
    }),
  );
}

function isExact(outcomes: readonly Outcome[]): boolean {
  const started = outcomes.filter(({ runId }) => runId !== null);
  const refused = outcomes.filter(({ code }) => code === "quota_exceeded");
  return started.length === limit && refused.length === starts - limit;
}
