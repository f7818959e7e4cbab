import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { ClusterNode } from "#shared/api/nodes.js";
import { queryAsOwner } from "#test/support/database/queries.js";
import { makeOrganization, makeProject } from "#test/support/fixtures/factories.js";
import {
  expectProblem,
  startTestApp,
  type TestApp,
  type TestPerson,
} from "#test/support/server/app.js";
import { clusterEnv } from "#test/support/server/cluster-env.js";

let app: TestApp;
let other: TestApp;
let folder: string;
let root: TestPerson;
let ann: TestPerson;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "omoi-node-"));
  app = await startTestApp(await clusterEnv("one"));
  other = await app.sibling({ ...(await clusterEnv("two")), OMOI_DATA_DIR: folder });
  root = await app.person("root");
  ann = await app.person("ann");
  await makeProject(root, (await makeOrganization(root)).id);
});
afterAll(async () => {
  await other.close();
  await app.close();
  await rm(folder, { recursive: true, force: true });
});

async function nodeNamed(name: string): Promise<ClusterNode> {
  const { data } = await root.api.nodes.list({ query: {} });
  const node = data.find((one) => one.name === name);
  if (!node) throw new Error(`no node ${name}`);
  return node;
}

test("nodes are listed with their projects, disks and load", async () => {
  const [one, two] = [await nodeNamed("one"), await nodeNamed("two")];
  expect(one).toMatchObject({ status: "active", running: 0, epoch: 1 });
  expect(one.url).toBe(app.url);
  expect(two.status).toBe("active");
  // The project is where the disk had more room when it was created.
  expect(one.projects + two.projects).toBe(1);
  expect((await root.api.nodes.get({ params: { node_id: one.id } })).data.name).toBe("one");
  // The state comes with the first renewal of the lease.
  await expect.poll(async () => (await nodeNamed("two")).disk_free_bytes).toBeGreaterThan(2 ** 20);
  expect((await nodeNamed("two")).processors).toBeGreaterThan(0);
});

test("pages of the list follow the names", async () => {
  const first = await root.api.nodes.list({ query: { limit: 1 } });
  expect(first.data.map(({ name }) => name)).toEqual(["one"]);
  const cursor = /cursor=([^&>]+)/.exec(first.headers.get("link") ?? "")?.[1];
  const second = await root.api.nodes.list({ query: { limit: 1, cursor } });
  expect(second.data.map(({ name }) => name)).toEqual(["two"]);
  await expectProblem(root.api.nodes.list({ query: { cursor: "x" } }), 422, "validation_failed");
});

test("a drained node is resumed, and one node always takes new projects", async () => {
  const params = { node_id: (await nodeNamed("two")).id };
  expect((await root.api.nodes.drain({ params })).data.status).toBe("draining");
  // Twice is the same as once.
  expect((await root.api.nodes.drain({ params })).data.draining).toBe(true);
  const last = { node_id: (await nodeNamed("one")).id };
  await expectProblem(root.api.nodes.drain({ params: last }), 409, "last_node");
  expect((await root.api.nodes.resume({ params })).data.status).toBe("active");
  const { data: events } = await root.api.admin.auditEvents({ query: {} });
  const target = { type: "node", id: params.node_id, name: "two" };
  expect(events.map(({ action }) => action)).toEqual(["node.resumed", "node.drained"]);
  expect(events[0]).toMatchObject({
    target,
    changes: { draining: { from: true, to: false } },
  });
});

test("two concurrent drains leave one node", async () => {
  const nodes = [await nodeNamed("one"), await nodeNamed("two")];
  const outcomes = await Promise.allSettled(
    nodes.map(({ id }) => root.api.nodes.drain({ params: { node_id: id } })),
  );
  expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
  for (const { id } of nodes) await root.api.nodes.resume({ params: { node_id: id } });
});

test("a node whose lease has ended is unavailable", async () => {
  await queryAsOwner(
    app,
    `insert into nodes (id, name, url, folder, lease_until)
      values (gen_random_uuid(), 'zero', 'http://127.0.0.1:1', '0:0', now())`,
  );
  expect((await nodeNamed("zero")).status).toBe("unavailable");
  await queryAsOwner(app, "delete from nodes where name = 'zero'");
});

test("other users and unknown nodes get 404", async () => {
  const params = { node_id: (await nodeNamed("one")).id };
  await expectProblem(ann.api.nodes.list({ query: {} }), 404, "not_found");
  await expectProblem(ann.api.nodes.get({ params }), 404, "not_found");
  await expectProblem(ann.api.nodes.drain({ params }), 404, "not_found");
  await expectProblem(ann.api.nodes.resume({ params }), 404, "not_found");
  const unknown = { node_id: ann.id };
  await expectProblem(root.api.nodes.get({ params: unknown }), 404, "not_found");
  await expectProblem(root.api.nodes.drain({ params: unknown }), 404, "not_found");
  await expectProblem(root.api.nodes.resume({ params: unknown }), 404, "not_found");
  await expectProblem(app.client().nodes.list({ query: {} }), 401, "unauthenticated");
});
