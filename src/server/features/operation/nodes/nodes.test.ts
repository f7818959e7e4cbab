import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { ClusterNode, NodeProject } from "#shared/api/operation/nodes.js";
import { queryAsOwner } from "#test/support/database/queries.js";
import { makeAgent, makeOrganization, makeProject } from "#test/support/fixtures/factories.js";
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
  root = await app.person("root");
  ann = await app.person("ann");
  // Before the other node may take it.
  await makeProject(root, (await makeOrganization(root)).id);
  other = await app.sibling({ ...(await clusterEnv("two")), OMOI_DATA_DIR: folder });
});
afterAll(async () => {
  await other.close();
  await app.close();
  await rm(folder, { recursive: true, force: true });
});

async function nodeNamed(name: string): Promise<ClusterNode> {
  const { data } = await root.api.nodes.list({ query: {} });
  const node = data.find((item) => item.name === name);
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

test("the projects of a node are listed with their agents, runs and moves, in pages", async () => {
  const organization = await makeOrganization(root);
  // A server that holds its lease, but does nothing.
  await queryAsOwner(
    app,
    `insert into nodes (id, name, url, folder, lease_until)
      values (gen_random_uuid(), 'idle', 'http://127.0.0.1:1', '0:0', now() + interval '1 hour')`,
  );
  const idle = await nodeNamed("idle");
  const one = await nodeNamed("one");
  const listOf = async (node: ClusterNode): Promise<NodeProject[]> => {
    const { data } = await root.api.nodes.projects({ params: { node_id: node.id }, query: {} });
    return data;
  };
  expect(await listOf(idle)).toEqual([]);
  const projects: NodeProject[] = [];
  const made = await makeProject(root, organization.id);
  const agent = await makeAgent(root, made.id);
  const terminated = await makeAgent(root, made.id);
  await root.api.agents.delete({ params: { agent_id: terminated.id } });
  await root.api.runs.create({ params: { agent_id: agent.id }, body: { external: true } });
  for (const name of ["first", "second", "third"]) {
    const { id } = name === "first" ? made : await makeProject(root, organization.id);
    const sql = "update projects set name = $2, home_node = $3 where id = $1 returning *";
    projects.push(...(await queryAsOwner<NodeProject>(app, sql, [id, name, idle.id])));
  }
  const [first, second, third] = projects as [NodeProject, NodeProject, NodeProject];
  const { id, name, slug } = organization;
  const none = { organization: { id, name, slug }, agents: 0, running: 0, move: null };
  expect(await listOf(idle)).toEqual([
    { id: first.id, name: "first", slug: first.slug, ...none, agents: 1, running: 1 },
    { id: second.id, name: "second", slug: second.slug, ...none },
    { id: third.id, name: "third", slug: third.slug, ...none },
  ]);
  expect((await nodeNamed("idle")).projects).toBe(3);

  const setMove = (project: NodeProject, from: ClusterNode, to: ClusterNode, state: string) =>
    queryAsOwner(
      app,
      `insert into project_moves (project_id, id, from_node, to_node, state, error, finished_at,
          bytes_total, bytes_copied)
        values ($1, gen_random_uuid(), $2, $3, $4::text, case when $4 = 'failed' then 'no room' end,
          case when $4 in ('failed', 'done') then now() end, 200, 50)
        on conflict (project_id) do update set state = $4::text, finished_at = excluded.finished_at`,
      [project.id, from.id, to.id, state],
    );
  const moved = { project_id: third.id, bytes_total: 200, bytes_copied: 50 };
  await setMove(third, idle, one, "failed");
  expect((await listOf(idle))[2]?.move).toMatchObject({
    ...moved,
    state: "failed",
    error: "no room",
    from: { id: idle.id, name: "idle" },
    to: { id: one.id, name: "one" },
    finished_at: expect.any(String) as string,
  });
  const namesOf = async (node: ClusterNode) => (await listOf(node)).map((row) => row.name);
  expect(await namesOf(one)).not.toContain("third");

  // Without a home, and on its way to a server that does not exist any more.
  const gone = await nodeNamed("two");
  await queryAsOwner(app, "delete from project_moves");
  await queryAsOwner(app, "update projects set home_node = null where id = $1", [third.id]);
  await setMove(third, gone, idle, "freezing");
  await setMove(second, idle, gone, "copying");
  await queryAsOwner(app, "update project_moves set frozen_at = now() where project_id = $1", [
    third.id,
  ]);
  expect(await namesOf(idle)).toEqual(["first", "second", "third"]);
  expect((await listOf(gone)).map((row) => [row.name, row.move?.state])).toEqual(
    expect.arrayContaining([
      ["second", "copying"],
      ["third", "freezing"],
    ]),
  );

  const params = { node_id: idle.id };
  const page = await root.api.nodes.projects({ params, query: { limit: 2 } });
  expect(page.data.map((row) => row.name)).toEqual(["first", "second"]);
  const cursor = /cursor=([^&>]+)/.exec(page.headers.get("link") ?? "")?.[1];
  const rest = await root.api.nodes.projects({ params, query: { limit: 2, cursor } });
  expect(rest.data.map((row) => row.name)).toEqual(["third"]);
  expect(rest.headers.get("link")).toBeNull();
  const wrong = root.api.nodes.projects({ params, query: { cursor: "x" } });
  await expectProblem(wrong, 422, "validation_failed");

  await queryAsOwner(app, "delete from project_moves");
  await queryAsOwner(app, "update projects set deleted_at = now() where id = $1", [second.id]);
  await queryAsOwner(app, "update projects set home_node = $2 where id = $1", [third.id, idle.id]);
  expect(await namesOf(idle)).toEqual(["first", "third"]);
  await queryAsOwner(app, "update projects set home_node = $1 where home_node = $2", [
    one.id,
    idle.id,
  ]);
  await queryAsOwner(app, "delete from nodes where name = 'idle'");
});

test("other users and unknown nodes get 404", async () => {
  const params = { node_id: (await nodeNamed("one")).id };
  await expectProblem(ann.api.nodes.list({ query: {} }), 404, "not_found");
  await expectProblem(ann.api.nodes.get({ params }), 404, "not_found");
  await expectProblem(ann.api.nodes.projects({ params, query: {} }), 404, "not_found");
  await expectProblem(ann.api.nodes.drain({ params }), 404, "not_found");
  await expectProblem(ann.api.nodes.resume({ params }), 404, "not_found");
  const unknown = { node_id: ann.id };
  await expectProblem(root.api.nodes.get({ params: unknown }), 404, "not_found");
  await expectProblem(root.api.nodes.projects({ params: unknown, query: {} }), 404, "not_found");
  await expectProblem(root.api.nodes.drain({ params: unknown }), 404, "not_found");
  await expectProblem(root.api.nodes.resume({ params: unknown }), 404, "not_found");
  await expectProblem(app.client().nodes.list({ query: {} }), 401, "unauthenticated");
  const projects = app.client().nodes.projects({ params, query: {} });
  await expectProblem(projects, 401, "unauthenticated");
});
