import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import type { Agent } from "#shared/api/work/agents.js";
import { queryAsOwner } from "#test/support/database/queries.js";
import { makeAgent, makeOrganization, makeProject } from "#test/support/fixtures/factories.js";
import { fieldsOf } from "#test/support/http/raw-request.js";
import { insertCluster, seeRunner } from "#test/support/runners/runners.js";
import {
  expectProblem,
  startTestApp,
  type TestApp,
  type TestPerson,
} from "#test/support/server/app.js";

let app: TestApp;
let root: TestPerson;
let ann: TestPerson;
let agent: Agent;
beforeAll(async () => {
  app = await startTestApp({}, "real");
  root = await app.person("root");
  ann = await app.person("ann");
});
beforeEach(async () => {
  await queryAsOwner(app, "delete from runners");
  agent = await makeAgent(ann, (await makeProject(ann, (await makeOrganization(ann)).id)).id);
});
afterAll(() => app.close());

const sentence =
  "No server of this installation uses a Kubernetes cluster; ask its operator to set OMOI_KUBERNETES_NAMESPACE";
/** The networks of `insertCluster`. */
const networks = ["none", "full"];
const create = () =>
  ann.api.workspaces.create({
    params: { agent_id: agent.id },
    body: { workspace_type: "kubernetes" },
  });
const start = (body: object = {}) =>
  ann.api.runs.create({ params: { agent_id: agent.id }, body: { command: ["make"], ...body } });
const sandbox = async () => (await ann.api.sandbox.get()).data.kubernetes;

test("without a cluster, no workspace in it is created", async () => {
  const problem = await expectProblem(create(), 422, "kubernetes_unavailable");
  expect(problem.detail).toBe(`${sentence}, or use another type of workspace.`);
  const missing = ann.api.workspaces.get({ params: { agent_id: agent.id } });
  await expectProblem(missing, 404, "workspace_missing");
  expect(await sandbox()).toEqual({ available: false, reason: sentence, networks: [] });
});

test("in the cluster, a workspace is a branch whose runs wait for it", async () => {
  const id = await insertCluster(app);
  expect(await sandbox()).toEqual({ available: true, reason: null, networks });
  const { data: workspace } = await create();
  expect(workspace).toMatchObject({
    workspace_type: "kubernetes",
    working_directory: null,
    folder_driver: null,
    status: "active",
  });
  const params = { agent_id: agent.id };
  expect((await ann.api.agents.get({ params })).data.workspace_type).toBe("kubernetes");
  const body = { commit_type: "checkpoint" } as const;
  const commit = ann.api.workspaces.createCommit({ params, body });
  await expectProblem(commit, 409, "workspace_remote");
  const labeled = await expectProblem(start({ runner_labels: ["gpu"] }), 422, "validation_failed");
  expect(fieldsOf(labeled)).toEqual(["body.runner_labels"]);
  const restricted = start({ network: "restricted", allowed_hosts: [] });
  const { detail } = await expectProblem(restricted, 409, "network_not_isolated");
  expect(detail).toContain("set OMOI_KUBERNETES_EGRESS_URL, or use another network");
  const { data: run } = await start({ network: "full" });
  expect(run).toMatchObject({ status: "queued", detail: "Waiting for the cluster." });
  await ann.api.runs.stop({ params: { run_id: run.id } });
  // The cluster is gone before the next run.
  await queryAsOwner(app, "delete from runners where id = $1", [id]);
  const problem = await expectProblem(start(), 422, "kubernetes_unavailable");
  expect(problem.detail).toBe(`${sentence}, or use another type of workspace.`);
});

test("a session needs a folder, and the error names a run instead", async () => {
  await insertCluster(app);
  await create();
  const problem = await expectProblem(
    ann.api.agentSessions.create({
      params: { agent_id: agent.id },
      body: { preset: "custom", command: ["agent"] },
    }),
    409,
    "workspace_remote",
  );
  expect(problem.detail).toContain("start a run, which the cluster executes");
});

test("the cluster is paused and resumed, and the sandbox says why its runs wait", async () => {
  const id = await insertCluster(app);
  const params = { runner_id: id };
  const cluster = async () => (await root.api.runners.get({ params })).data;
  expect(await cluster()).toMatchObject({
    name: "kubernetes",
    kind: "cluster",
    organization_id: null,
    status: "online",
    labels: [],
    slots: 50,
  });
  const update = (body: object) => root.api.runners.update({ params, body });
  expect((await update({ paused: true })).data.status).toBe("paused");
  expect(await sandbox()).toEqual({
    available: true,
    reason: expect.stringContaining("is paused") as string,
    networks,
  });
  expect((await update({ paused: false, name: "kubernetes" })).data.status).toBe("online");
  const renamed = await expectProblem(update({ name: "other" }), 422, "validation_failed");
  expect(fieldsOf(renamed)).toEqual(["body.name"]);
  await expectProblem(update({ name: "other", paused: true }), 422, "validation_failed");
  expect(await cluster()).toMatchObject({ name: "kubernetes", paused: false });
  await seeRunner(app, id, 61);
  expect((await cluster()).status).toBe("offline");
  expect(await sandbox()).toEqual({
    available: true,
    reason: expect.stringContaining("has not been heard of for a minute") as string,
    networks,
  });
  await create();
  expect((await start()).data.status).toBe("queued");
});

test("the cluster is removed only after it was not heard of for a minute", async () => {
  const id = await insertCluster(app);
  const params = { runner_id: id };
  const remove = () => root.api.runners.delete({ params });
  await expectProblem(remove(), 409, "cluster_online");
  await root.api.runners.update({ params, body: { paused: true } });
  await expectProblem(remove(), 409, "cluster_online");
  await expectProblem(ann.api.runners.delete({ params }), 404, "not_found");
  await seeRunner(app, id, 61);
  expect((await remove()).status).toBe(204);
  await expectProblem(root.api.runners.get({ params }), 404, "not_found");
  expect(await sandbox()).toEqual({ available: false, reason: sentence, networks: [] });
  const { data: events } = await root.api.admin.auditEvents({ query: { limit: 2 } });
  expect(events.map(({ action, target }) => [action, target?.name])).toEqual([
    ["runner.removed", "kubernetes"],
    ["runner.paused", "kubernetes"],
  ]);
});

test("members see the cluster among the runners of their organization", async () => {
  const id = await insertCluster(app);
  const { data } = await ann.api.runners.available({
    params: { org_id: agent.organization_id },
    query: {},
  });
  expect(data).toMatchObject([{ id, kind: "cluster", status: "online" }]);
});
