import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import type { Run } from "#shared/api/execution/runs.js";
import type { Organization } from "#shared/api/organization/organizations.js";
import type { Project } from "#shared/api/code/projects.js";
import { queryAsOwner } from "#test/support/database/queries.js";
import {
  folderOf,
  makeOrganization,
  makeProject,
  makeWorkspace,
} from "#test/support/fixtures/factories.js";
import { fieldsOf } from "#test/support/http/raw-request.js";
import { shell, waitForRun, waitForRunEnd } from "#test/support/fixtures/runs.js";
import { makeInCluster } from "#test/support/kubernetes/cluster-of-test.js";
import { makeRemote, startRemote } from "#test/support/runners/remote-workspaces.js";
import { registerRunner, type ScriptedRunner } from "#test/support/runners/scripted-runner.js";
import {
  expectProblem,
  startTestApp,
  type TestApp,
  type TestPerson,
} from "#test/support/server/app.js";
import { nextQueued } from "../managed-runs.queries.js";

let app: TestApp;
let owner: TestPerson;
let org: Organization;
let project: Project;
let runner: ScriptedRunner;
beforeAll(async () => {
  app = await startTestApp({ OMOI_RUN_STOP_GRACE_SECONDS: "1" }, "real");
  owner = await app.person("Ada");
});
beforeEach(async () => {
  org = await makeOrganization(owner);
  project = await makeProject(owner, org.id);
  runner = await registerRunner(app, { orgId: org.id });
  await queryAsOwner(app, "update organizations set max_concurrent_agents = 1 where id = $1", [
    org.id,
  ]);
});
afterAll(() => app.close());

/** A run on the server that ends when it is let go. */
const local = async (queue = true) => {
  const { agent, workspace } = await makeWorkspace(owner, project.id);
  const command = shell("until [ -e go ]; do sleep 0.02; done");
  const body = { command, ...(queue && { queue }) };
  const { data: run } = await owner.api.runs.create({ params: { agent_id: agent.id }, body });
  return { run, go: () => writeFile(join(folderOf(workspace), "go"), "") };
};
const remote = async (): Promise<Run> =>
  startRemote(owner, (await makeRemote(owner, project.id)).agent, { queue: true });
const statusOf = async ({ id }: Run) =>
  (await owner.api.runs.get({ params: { run_id: id } })).data.status;
const untilRunning = (run: Run) => waitForRun(owner, run.id, ({ status }) => status === "running");

test("a run on the server does not overtake one that a waiting runner can take", async () => {
  const first = await local();
  const forRunner = await remote();
  const last = await local();
  const asking = runner.ask({ wait_seconds: 25 });
  await expect
    .poll(() => queryAsOwner(app, "select waiting_until from runners where id = $1", [runner.id]))
    .not.toEqual([{ waiting_until: null }]);
  await first.go();
  expect(await asking).toEqual([forRunner.id]);
  expect(await statusOf(last.run)).toBe("queued");
  expect((await runner.start(forRunner.id)).status).toBe(200);
  expect(await statusOf(last.run)).toBe("queued");
  await runner.end(forRunner.id);
  await untilRunning(last.run);
  await last.go();
  expect((await waitForRunEnd(owner, last.run.id)).status).toBe("succeeded");
});

test("runs on the server overtake one that no runner takes", async () => {
  const first = await local();
  const forRunner = await remote();
  const last = await local();
  await runner.ask({ labels: [], networks: ["restricted"] });
  await first.go();
  await untilRunning(last.run);
  await last.go();
  await waitForRunEnd(owner, last.run.id);
  // Also without the queue.
  const direct = await local(false);
  expect(direct.run.status).toBe("running");
  expect(await runner.ask()).toEqual([]);
  await direct.go();
  await waitForRunEnd(owner, direct.run.id);
  // A run that is offered counts as one that starts.
  expect(await runner.ask()).toEqual([forRunner.id]);
  await expectProblem(local(false), 409, "quota_exceeded");
  const behind = await local();
  expect(behind.run.status).toBe("queued");
  expect((await runner.start(forRunner.id)).status).toBe(200);
  await expectProblem(remoteNow(), 409, "quota_exceeded");
  await runner.end(forRunner.id);
  await untilRunning(behind.run);
  await behind.go();
});

const remoteNow = async (): Promise<Run> =>
  startRemote(owner, (await makeRemote(owner, project.id)).agent);

test("a run that the cluster is starting keeps its slot, and lets later ones use others", async () => {
  await queryAsOwner(
    app,
    "insert into runners (id, name, kind, networks) values (gen_random_uuid(), 'kubernetes', 'cluster', '{none}')",
  );
  const first = await local();
  const agent = await makeInCluster(owner, project.id);
  const inCluster = await startRemote(owner, agent, { queue: true });
  const last = await local();
  const claim = () =>
    queryAsOwner(
      app,
      `update runs set offered_until = now() + interval '15 min',
         runner_id = (select id from runners where kind = 'cluster') where id = $1`,
      [inCluster.id],
    );
  await claim();
  const next = () => app.db.tenant(org.id, (tx) => nextQueued(tx, org.id, app.db.node.id));
  expect(await next()).toBeUndefined();
  await first.go();
  await waitForRunEnd(owner, first.run.id);
  expect(await next()).toBeUndefined();
  expect(await statusOf(last.run)).toBe("queued");
  await queryAsOwner(app, "update organizations set max_concurrent_agents = 2 where id = $1", [
    org.id,
  ]);
  await untilRunning(last.run);
  expect(await statusOf(inCluster)).toBe("queued");
  await last.go();
});

test("a workspace with a folder takes no labels", async () => {
  const { agent } = await makeWorkspace(owner, project.id);
  const params = { agent_id: agent.id };
  const body = { command: ["true"], runner_labels: ["gpu"] };
  const problem = await expectProblem(
    owner.api.runs.create({ params, body }),
    422,
    "validation_failed",
  );
  expect(fieldsOf(problem)).toEqual(["body.runner_labels"]);
});
