import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import type { Client } from "#shared/contract/client.js";
import { followLog, shell } from "#test/support/fixtures/runs.js";
import {
  interleave,
  median,
  ms,
  plainEnv,
  spread,
  times,
  type Benchmark,
  type Row,
} from "./support/harness.js";
import { withPostgres } from "./support/postgres.js";
import { importProject, makeRepository } from "./support/repository.js";
import { clientOf, withServer, type Server } from "./support/server.js";

const rounds = 30;
/** Time between runs in milliseconds: neither one pays for what another has left to be done. */
const BETWEEN_MS = 500;
const mostTimes = 1.5;

/** The cost of executing a run on a runner instead of the server. */
export const runners: Benchmark = {
  name: "runners",
  method:
    "One server with its own PostgreSQL, and one runner on the same machine, which has executed runs of the project " +
    "before. A project of 2 000 files; one agent has a folder on the server, another one a remote workspace. First " +
    "line: from the request that starts `echo` to its first line in an event stream opened after the response. " +
    "Whole run: until the end of the stream, with a changed file that is committed. Medians of " +
    `${rounds} alternating rounds with ${BETWEEN_MS} ms between runs, and the interquartile range of the ratio.`,
  run: (folder, log) =>
    withPostgres(folder, async ({ makeDatabase }) => {
      const options = {
        dataDir: join(folder, "data"),
        env: {
          OMOI_DATABASE_URL: await makeDatabase("omoi"),
          OMOI_IMPORT_ROOTS: folder,
        },
      };
      return withServer(options, async (server, api) => {
        const { data: key } = await api.apiKeys.create({ body: { name: "Bench" } });
        const token = key.key as string;
        const client = clientOf(server.url, token);
        const source = await makeRepository(join(folder, "source"));
        const project = await importProject(client, source);
        const local = await makeWorker(client, project, "local");
        const remote = await makeWorker(client, project, "remote");
        const { data: runner } = await client.runners.create({ body: { name: "bench" } });
        const process = startRunner(server.url, runner.token as string, join(folder, "runner"));
        try {
          const first = { local: [] as number[], remote: [] as number[] };
          const run = (agentId: string, figures: number[]) => async (round: number) => {
            await pause(BETWEEN_MS);
            const took = await execute(server, client, token, agentId, round);
            if (round > 0) figures.push(took.first);
            return took.whole;
          };
          log("runs");
          const whole = await interleave(rounds, {
            local: run(local, first.local),
            remote: run(remote, first.remote),
          });
          return [
            rowOf(
              "From starting a command to its first log line, on a warm runner",
              first,
              mostTimes,
            ),
            rowOf("A whole run with a commit, on a warm runner", whole, null),
          ];
        } finally {
          process.kill("SIGTERM");
          await once(process, "exit");
        }
      });
    }),
};

async function makeWorker(
  api: Client,
  project_id: string,
  workspace_type: "local" | "remote",
): Promise<string> {
  const { data: agent } = await api.agents.create({ body: { project_id, name: workspace_type } });
  await api.workspaces.create({ params: { agent_id: agent.id }, body: { workspace_type } });
  return agent.id;
}

function startRunner(url: string, token: string, data: string): ChildProcess {
  const cli = join(import.meta.dirname, "../dist/cli/main.js");
  return spawn(process.execPath, [cli, "runner", "--url", url, "--data", data, "--slots", "2"], {
    stdio: "ignore",
    env: plainEnv({ OMOI_RUNNER_TOKEN: token, OMOI_LOG_LEVEL: "warn" }),
  });
}

/** Runs a command that changes a file. Returns the milliseconds until its first line, and until its end. */
async function execute(
  server: Pick<Server, "url">,
  api: Client,
  token: string,
  agentId: string,
  round: number,
): Promise<{ first: number; whole: number }> {
  const begin = performance.now();
  const { data: run } = await api.runs.create({
    params: { agent_id: agentId },
    body: { command: shell(`echo here; echo ${round} > changed.txt`) },
  });
  let first = 0;
  const { end } = await followLog(server, { token }, run.id, {
    stop: (events) => {
      if (events.length > 0 && first === 0) first = performance.now() - begin;
      return false;
    },
  });
  if (end?.status !== "succeeded") throw new Error(`a run ended as ${end?.status}: ${end?.detail}`);
  return { first, whole: performance.now() - begin };
}

function rowOf(
  label: string,
  figures: Record<"local" | "remote", readonly number[]>,
  most: number | null,
): Row {
  const [remote, local] = [median(figures.remote), median(figures.local)];
  return {
    label,
    result: `p50 ${ms(remote)}`,
    baseline: `p50 ${ms(local)}, on the server`,
    ratio: `${times(remote / local)} (${spread(figures.remote, figures.local)})`,
    target: most === null ? "–" : `at most ${most} ×`,
    met: most === null ? null : remote / local <= most,
  };
}
