import { mkdtemp, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Client } from "#shared/contract/client.js";
import type { Run } from "#shared/api/agents/runs.js";
import { folderOf } from "../support/fixtures/factories.js";
import { followLog, shell } from "../support/fixtures/runs.js";
import { clientOf, startServer, type ServerProcess } from "../support/server/server-process.js";
import { removeDataFolder } from "../support/server/data-folder.js";

let dataDir: string;
let token: string;
beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), "omoi-shutdown-"));
});
afterAll(() => removeDataFolder(dataDir));

async function start(env: Record<string, string> = {}) {
  const server = startServer({ OMOI_DATA_DIR: dataDir, ...env });
  const url = await server.ready;
  const person = { email: "ann@example.com", password: "correct staple horse" };
  if (token === undefined) {
    await clientOf(url).auth.register({ body: person });
    token = (await clientOf(url).auth.login({ body: person })).data.access_token;
  }
  return { server, url, api: clientOf(url, token) };
}

let made = 0;
/** A run whose command has created the file `up`. */
async function runIn(api: Client, script: string) {
  made += 1;
  const { data: org } = await api.organizations.create({ body: { name: `Org ${made}` } });
  const body = { organization_id: org.id, name: "Site" };
  const { data: project } = await api.projects.create({ body });
  const { data: agent } = await api.agents.create({
    body: { project_id: project.id, name: "worker" },
  });
  const params = { agent_id: agent.id };
  const { data: workspace } = await api.workspaces.create({ params });
  const { data: run } = await api.runs.create({ params, body: { command: shell(script) } });
  const up = join(folderOf(workspace), "up");
  await expect.poll(() => readFile(up).catch(() => null)).not.toBeNull();
  return { run, folder: folderOf(workspace) };
}

async function afterRestart(run: Run): Promise<Run> {
  const { server, api } = await start();
  const { data } = await api.runs.get({ params: { run_id: run.id } });
  await end(server);
  return data;
}

async function end(server: ServerProcess): Promise<void> {
  server.process.kill("SIGTERM");
  expect((await server.ended).code).toBe(0);
}

test("SIGTERM ends all runs, including those that ignore it, and notifies readers", async () => {
  const { server, url, api } = await start();
  const { run } = await runIn(api, "trap '' TERM; touch up; while :; do sleep 1; done");
  const following = followLog({ url }, { token }, run.id);
  await end(server);
  expect((await following).end).toMatchObject({ status: "stopped" });
  const stopped = await afterRestart(run);
  expect(stopped).toMatchObject({ status: "stopped", detail: "The server was stopped." });
  expect(stopped.checkpoint?.error).toBeNull();
});

test("repeated signals in quick succession count as one; a later one forces the exit", async () => {
  const { server, url, api } = await start({ OMOI_SHUTDOWN_RUNS: "drain" });
  const { run } = await runIn(api, "touch up; sleep 600");
  for (const signal of ["SIGTERM", "SIGINT"] as const) server.process.kill(signal);
  await sleep(3000);
  expect((await fetch(`${url}/healthz`)).status).toBe(200);
  server.process.kill("SIGTERM");
  expect((await server.ended).code).toBe(1);
  expect((await afterRestart(run)).status).not.toBe("running");
});

test("with OMOI_SHUTDOWN_RUNS=drain the server serves on until they have ended", async () => {
  const { server, api } = await start({ OMOI_SHUTDOWN_RUNS: "drain" });
  const script = "touch up; until [ -e go ]; do sleep 0.05; done";
  const { run, folder } = await runIn(api, script);
  server.process.kill("SIGTERM");
  const params = { agent_id: run.agent_id };
  // New runs are refused, and running ones continue.
  await expect
    .poll(() =>
      api.runs.create({ params, body: { command: ["true"] } }).then(
        () => null,
        (error: unknown) => (error as { code?: string }).code,
      ),
    )
    .toBe("unavailable");
  expect((await api.runs.get({ params: { run_id: run.id } })).data.status).toBe("running");
  await writeFile(join(folder, "go"), "");
  expect((await server.ended).code).toBe(0);
  expect((await afterRestart(run)).status).toBe("succeeded");
});
