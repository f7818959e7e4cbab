import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Run } from "#shared/api/execution/runs.js";
import { RestartableServer } from "../support/crash/restartable-server.js";
import { folderOf } from "../support/fixtures/factories.js";
import { followLog, shell } from "../support/fixtures/runs.js";

const server = new RestartableServer();
beforeAll(async () => {
  await server.open();
  await server.createProject();
  await server.stop();
});
afterAll(() => server.close());

/** Starts a command in a new workspace, and waits until it has created the file `up`. */
async function startRun(script: string) {
  const workspace = await server.createWorkspace();
  const params = { agent_id: workspace.agent_id };
  const { data: run } = await server.api.runs.create({ params, body: { command: shell(script) } });
  const up = join(folderOf(workspace), "up");
  await expect.poll(() => readFile(up).catch(() => null)).not.toBeNull();
  return { run, folder: folderOf(workspace) };
}

/** Returns the run as the next server process shows it. */
async function getAfterRestart(run: Run): Promise<Run> {
  await server.start();
  const { data } = await server.api.runs.get({ params: { run_id: run.id } });
  await server.stop();
  return data;
}

test("SIGTERM ends all runs, including those that ignore it, and notifies readers", async () => {
  await server.start();
  const { run } = await startRun("trap '' TERM; touch up; while :; do sleep 1; done");
  const following = followLog(server, server, run.id);
  await server.stop();
  expect((await following).end).toMatchObject({ status: "stopped" });
  const stopped = await getAfterRestart(run);
  expect(stopped).toMatchObject({ status: "stopped", detail: "The server was stopped." });
  expect(stopped.checkpoint?.error).toBeNull();
});

test("repeated signals in quick succession count as one; a later one forces the exit", async () => {
  await server.start({ OMOI_SHUTDOWN_RUNS: "drain" });
  const { run } = await startRun("touch up; sleep 600");
  for (const signal of ["SIGTERM", "SIGINT"] as const) server.signal(signal);
  await sleep(3000);
  expect((await fetch(`${server.url}/healthz`)).status).toBe(200);
  server.signal("SIGTERM");
  expect((await server.ended).code).toBe(1);
  expect((await getAfterRestart(run)).status).not.toBe("running");
});

test("with OMOI_SHUTDOWN_RUNS=drain the server serves on until they have ended", async () => {
  await server.start({ OMOI_SHUTDOWN_RUNS: "drain" });
  const script = "touch up; until [ -e go ]; do sleep 0.05; done";
  const { run, folder } = await startRun(script);
  server.signal("SIGTERM");
  const params = { agent_id: run.agent_id as string };
  // New runs are refused, and running ones continue.
  await expect
    .poll(() =>
      server.api.runs.create({ params, body: { command: ["true"] } }).then(
        () => null,
        (error: unknown) => (error as { code?: string }).code,
      ),
    )
    .toBe("unavailable");
  expect((await server.api.runs.get({ params: { run_id: run.id } })).data.status).toBe("running");
  await writeFile(join(folder, "go"), "");
  expect((await server.ended).code).toBe(0);
  expect((await getAfterRestart(run)).status).toBe("succeeded");
});
