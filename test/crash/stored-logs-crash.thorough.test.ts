import { copyFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { RestartableServer } from "../support/crash/restartable-server.js";
import { shell, waitForRunEnd } from "../support/fixtures/runs.js";
import { startS3Server, type Fault, type S3Server } from "../support/object-storage/s3-server.js";

/**
 * A server that is killed at each request to the object storage, before the request has an effect and after it.
 */
vi.setConfig({ testTimeout: 180_000 });

let s3: S3Server;
let server: RestartableServer;
beforeAll(async () => {
  s3 = await startS3Server();
  server = new RestartableServer({ ...s3.env, OMOI_SANDBOX: "off" });
  await server.open();
  await server.createProject();
});
afterAll(async () => {
  await server.close();
  await s3.close();
});

const logsIn = (projectId: string): Promise<string[]> =>
  readdir(join(server.dataDir, "logs", server.project.organization_id, projectId)).catch(() => []);
const rowsOf = (runId: string) =>
  server.query<{ state: string; object_key: string }>(
    `select state, object_key from log_objects where run_id = '${runId}'`,
  );
const keysOf = async (id: string) => (await s3.keys()).filter((key) => key.includes(id));

async function textOf(runId: string): Promise<string> {
  const response = await fetch(`${server.url}/api/v1/runs/${runId}/logs`, {
    headers: { authorization: `Bearer ${server.token}` },
  });
  return response.text();
}

/** Kills the server at the first request of a method for a key, and starts it again. */
async function killAt(method: string, part: string, fault: Fault): Promise<void> {
  await new Promise<void>((resolve) => {
    s3.fault = (request) => {
      if (request.method !== method || !request.url.includes(part)) return null;
      s3.fault = () => null;
      // The request goes on without the server.
      server.signal("SIGKILL");
      resolve();
      return fault;
    };
  });
  await server.waitForKill();
  await server.start();
}

async function waitUntilStored(runId: string): Promise<void> {
  await expect
    .poll(
      async () => ({
        rows: (await rowsOf(runId)).map(({ state }) => state),
        local: (await logsIn(server.project.id)).includes(`${runId}.log`),
        objects: (await keysOf(runId)).length,
      }),
      { interval: 200 },
    )
    .toEqual({ rows: ["stored"], local: false, objects: 1 });
}

const steps: [string, Fault][] = [
  ["PUT", "reset"],
  ["PUT", "reset after"],
  ["GET", "reset"],
  ["GET", "reset after"],
];
test.for(steps)("a log is neither lost nor doubled: %s, %s", async ([method, fault]) => {
  const { agent_id } = await server.createWorkspace();
  const command = shell("seq 1 20000");
  const { data: run } = await server.api.runs.create({ params: { agent_id }, body: { command } });
  await killAt(method, `${run.id}.log`, fault);
  // The end was recorded before its log moves.
  await waitForRunEnd(server, run.id);
  await waitUntilStored(run.id);
  const whole = Array.from({ length: 20_000 }, (_, index) => `${index + 1}\n`).join("");
  expect((await textOf(run.id)) === whole).toBe(true);
});

test("a file that was to be deleted after its move is deleted after the restart", async () => {
  const { agent_id } = await server.createWorkspace();
  const command = shell("echo once");
  s3.fault = ({ method }) => (method === "PUT" ? "status 403" : null);
  const { data: run } = await server.api.runs.create({ params: { agent_id }, body: { command } });
  await waitForRunEnd(server, run.id);
  const folder = join(server.dataDir, "logs", server.project.organization_id, server.project.id);
  const [path, copy] = [join(folder, `${run.id}.log`), join(server.dataDir, "copy")];
  await copyFile(path, copy);
  s3.fault = () => null;
  await server.kill();
  await server.start();
  await waitUntilStored(run.id);
  await server.kill();
  await copyFile(copy, path);
  s3.seen.length = 0;
  await server.start();
  await waitUntilStored(run.id);
  expect(s3.seen.filter(({ method }) => method === "PUT")).toEqual([]);
  expect(await textOf(run.id)).toBe("once\n");
});

test.for<[string, Fault]>([
  ["DELETE", "reset"],
  ["DELETE", "reset after"],
])("the logs of a deleted project are deleted: %s, %s", async ([method, fault]) => {
  await server.createProject();
  const { agent_id } = await server.createWorkspace();
  const command = shell("echo gone");
  const { data: run } = await server.api.runs.create({ params: { agent_id }, body: { command } });
  await waitForRunEnd(server, run.id);
  await waitUntilStored(run.id);
  await server.api.projects.delete({ params: { project_id: server.project.id } });
  await expect.poll(() => rowsOf(run.id)).toMatchObject([{ state: "deleting" }]);
  // The next job deletes them.
  await Promise.all([killAt(method, `${run.id}.log`, fault), nextJob()]);
  await expect
    .poll(async () => ({ rows: await rowsOf(run.id), objects: await keysOf(run.id) }), {
      interval: 200,
    })
    .toEqual({ rows: [], objects: [] });
});

/** A run in another project ends, for which a job is sent. */
async function nextJob(): Promise<void> {
  const { project } = server;
  await server.createProject();
  const { agent_id } = await server.createWorkspace();
  const body = { command: shell("true") };
  await server.api.runs.create({ params: { agent_id }, body }).catch(() => undefined);
  server.project = project;
}
