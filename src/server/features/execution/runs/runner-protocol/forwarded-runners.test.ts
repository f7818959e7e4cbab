import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { v7 } from "uuid";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Project } from "#shared/api/code/projects.js";
import type { Problem } from "#shared/errors.js";
import { LOG_TYPE } from "#shared/execution/runner/protocol.js";
import {
  commitFiles,
  makeOrganization,
  makeProject,
  makeWorkspace,
  mergeIntoBase,
} from "#test/support/fixtures/factories.js";
import { gitInRepository } from "#test/support/git/git.js";
import { send } from "#test/support/http/raw-request.js";
import { makeRemote, startRemote } from "#test/support/runners/remote-workspaces.js";
import { openRunRepository } from "#test/support/runners/run-repository.js";
import {
  ofRun,
  registerRunner,
  type ScriptedRunner,
} from "#test/support/runners/scripted-runner.js";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import { clusterEnv } from "#test/support/server/cluster-env.js";
import { homeOf } from "#test/support/server/cluster.js";
import { removeDataFolder } from "#test/support/server/data-folder.js";

let near: TestApp;
let home: TestApp;
let owner: TestPerson;
let orgId: string;
/** A project of the node `home`. */
let project: Project;
/** Connected to the node `near`. */
let runner: ScriptedRunner;
beforeAll(async () => {
  near = await startTestApp(await clusterEnv("near"));
  const OMOI_DATA_DIR = await mkdtemp(join(tmpdir(), "omoi-data-"));
  home = await near.sibling({ OMOI_DATA_DIR, ...(await clusterEnv("home")) });
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

test("a runner executes a run whose home is another node than the one it talks to", async () => {
  const { workspace } = await makeWorkspace(owner, project.id);
  await commitFiles(owner, workspace, { "a.txt": "a\n" });
  await mergeIntoBase(owner, workspace);
  const job = await begin();
  const repository = await openRunRepository(near, runner, job);
  const commit = await repository.commit({ "b.txt": "b\n" });
  const { body: receipt } = await repository.send(true, await repository.files());
  expect(receipt).toMatchObject({ tip: commit, error: null });
  expect(await gitInRepository(home, project, "show", `${job.branch}:b.txt`)).toBe("b");
  const entry = { stream: "stdout", at: "2026-01-02T03:04:05.678Z", text: "said\n" };
  const log = { body: Buffer.from(`${JSON.stringify(entry)}\n`), type: LOG_TYPE };
  expect((await runner.send("POST", ofRun(job.run_id, "log?offset=0"), log)).status).toBe(200);
  const gap = await runner.send<Problem>("POST", ofRun(job.run_id, "log?offset=1000"), log);
  expect([gap.status, gap.body.code]).toEqual([409, "log_gap"]);
  expect(gap.headers.get("omoi-log-offset")).toBe(String(gap.body["offset"]));
  const connection = {
    id: v7(),
    host: "example.com",
    port: 443,
    decision: "denied",
    reason: "no",
    at: "2026-01-02T03:04:05.678Z",
    bytes_sent: 0,
    bytes_received: 0,
  };
  const egress = { batch: 1, allowed: 0, denied: 1, connections: [connection] };
  const reported = await runner.send("POST", ofRun(job.run_id, "egress"), { body: egress });
  expect(reported.status).toBe(204);
  expect((await runner.heartbeat(job.run_id)).state).toBe("run");
  expect((await runner.end(job.run_id)).status).toBe(204);
  const { data: run } = await owner.api.runs.get({ params: { run_id: job.run_id } });
  expect(run).toMatchObject({
    status: "succeeded",
    runner: { id: runner.id },
    egress: { denied: 1 },
    repository: { commits: 1 },
  });
  const logs = await send(near, "GET", `/api/v1/runs/${job.run_id}/logs`, owner);
  expect(logs.text).toBe("said\n");
  await repository.dispose();
});
