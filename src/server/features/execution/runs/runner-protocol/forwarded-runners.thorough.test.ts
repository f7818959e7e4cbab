// Thorough: outages of a node, and leases that expire.
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Project } from "#shared/api/code/projects.js";
import type { Problem } from "#shared/errors.js";
import { queryAsAdmin, queryAsOwner } from "#test/support/database/queries.js";
import { makeOrganization, makeProject } from "#test/support/fixtures/factories.js";
import { makeRemote, startRemote } from "#test/support/runners/remote-workspaces.js";
import {
  ofRun,
  registerRunner,
  succeeded,
  type ScriptedRunner,
} from "#test/support/runners/scripted-runner.js";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import { clusterEnv } from "#test/support/server/cluster-env.js";
import { homeOf } from "#test/support/server/cluster.js";
import { removeDataFolder } from "#test/support/server/data-folder.js";

let near: TestApp;
let home: TestApp;
let homeEnv: Record<string, string>;
let owner: TestPerson;
let orgId: string;
/** A project of the node `home`. */
let project: Project;
/** Connected to the node `near`. */
let runner: ScriptedRunner;
beforeAll(async () => {
  near = await startTestApp(await clusterEnv("near"));
  const OMOI_DATA_DIR = await mkdtemp(join(tmpdir(), "omoi-data-"));
  homeEnv = { OMOI_DATA_DIR, ...(await clusterEnv("home")) };
  home = await near.sibling(homeEnv);
  owner = await near.person("Ada");
  orgId = (await makeOrganization(owner)).id;
  do project = await makeProject(owner, orgId);
  while ((await homeOf(near, project)) !== "home");
  runner = await registerRunner(near, { orgId });
});
afterAll(async () => {
  await home.close();
  await removeDataFolder(home.dataDir);
  await near.close();
});

const begin = async () => {
  await startRemote(owner, (await makeRemote(owner, project.id)).agent);
  return runner.take();
};
/** Holds a table: no query reads it until the returned function is called. */
async function holdTable(table: string): Promise<() => Promise<void>> {
  const client = new pg.Client(near.owner);
  await client.connect();
  await client.query("begin");
  await client.query(`lock table ${table} in access exclusive mode`);
  return () => client.end();
}
const statusOf = async (id: string) =>
  (await queryAsOwner(near, "select status from runs where id = $1", [id]))[0]?.["status"];

test("an outage of the home loses no run, and is no answer for strangers", async () => {
  const job = await begin();
  await home.close();
  const answers = await Promise.all([
    runner.send<Problem>("POST", ofRun(job.run_id, "end"), { body: succeeded }),
    runner.start(job.run_id),
  ]);
  for (const { status, body } of answers) {
    expect([status, (body as Problem).code]).toEqual([503, "home_unavailable"]);
  }
  const stranger = await fetch(`${near.url}/runner/v1${ofRun(job.run_id, "end")}`, {
    method: "POST",
    headers: { authorization: "Bearer omoi_runner_nonsense" },
  });
  expect(stranger.status).toBe(401);
  // Any node extends the lease.
  expect((await runner.heartbeat(job.run_id)).state).toBe("run");
  // An expired one is judged by the home: the watch of this node has looked twice.
  await queryAsOwner(
    near,
    "update runs set lease_expires_at = now() - interval '1 s' where id = $1",
    [job.run_id],
  );
  const local = await makeProjectNear();
  const { agent } = await makeRemote(owner, local.id);
  const { data: leased } = await owner.api.runs.create({
    params: { agent_id: agent.id },
    body: { external: true },
  });
  await queryAsOwner(
    near,
    "update runs set lease_expires_at = now() - interval '1 s' where id = $1",
    [leased.id],
  );
  await expect.poll(() => statusOf(leased.id)).toBe("lost");
  expect(await statusOf(job.run_id)).toBe("running");
  home = await near.sibling(homeEnv);
  expect(await statusOf(job.run_id)).toBe("running");
  expect((await runner.heartbeat(job.run_id)).state).toBe("run");
  await expect.poll(async () => (await runner.end(job.run_id)).status).toBe(204);
});

async function makeProjectNear(): Promise<Project> {
  for (;;) {
    const made = await makeProject(owner, orgId);
    if ((await homeOf(near, made)) === "near") return made;
  }
}

test("a runner that leaves during a forwarded request harms no later one", async () => {
  const job = await begin();
  const release = await holdTable("runners");
  const leaving = new AbortController();
  const asked = runner.send("POST", ofRun(job.run_id, "end"), {
    body: succeeded,
    signal: leaving.signal,
  });
  await expect
    .poll(() => queryAsAdmin(near, "select from pg_locks where not granted limit 1"))
    .toHaveLength(1);
  leaving.abort();
  await expect(asked).rejects.toThrow();
  // The connection between the nodes closes, too.
  await pause(500);
  await release();
  // The answer to the first request would end the process here.
  await pause(500);
  expect((await runner.end(job.run_id)).status).toBe(204);
});
