import { cp, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { ConfigError } from "#shared/node/config-error.js";
import { queryAsOwner } from "#test/support/database/queries.js";
import { makeOrganization, makeProject } from "#test/support/fixtures/factories.js";
import { expectProblem, startTestApp, type TestApp } from "#test/support/server/app.js";
import { clusterEnv } from "#test/support/server/cluster-env.js";
import { nodeFile } from "./data-folder-identity.js";

let folder: string;
const opened: TestApp[] = [];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "omoi-nodes-"));
});
afterEach(async () => {
  for (const app of opened.splice(0).toReversed()) await app.close();
  await rm(folder, { recursive: true, force: true });
});

async function startFirst(env: Record<string, string> = {}): Promise<TestApp> {
  const app = await startTestApp(env);
  opened.push(app);
  return app;
}
async function startOther(first: TestApp, env: Record<string, string>): Promise<TestApp> {
  const app = await first.sibling(env);
  opened.push(app);
  return app;
}
async function nodesOf(app: TestApp): Promise<string[]> {
  const nodes = await queryAsOwner<{ name: string; epoch: string }>(
    app,
    "select name, epoch from nodes order by name",
  );
  return nodes.map(({ name, epoch }) => `${name} ${epoch}`);
}
const newFolder = (name: string): Record<string, string> => ({ OMOI_DATA_DIR: join(folder, name) });

test("the first data folder of a database becomes its node, shared by the processes on it", async () => {
  const app = await startFirst();
  await startOther(app, {});
  expect(await nodesOf(app)).toEqual(["default 1"]);
});

test("a second data folder is refused without a name", async () => {
  const app = await startFirst();
  await expect(startOther(app, newFolder("second"))).rejects.toThrow(
    "The database belongs to the data folder of another server (default); set OMOI_DATA_DIR to that folder, or OMOI_NODE_NAME to add this server as a node",
  );
  expect(await nodesOf(app)).toEqual(["default 1"]);
});

test("no node joins a server that has no address for it", async () => {
  const app = await startFirst();
  const env = { ...newFolder("second"), ...(await clusterEnv("second")) };
  await expect(startOther(app, env)).rejects.toThrow(
    /The server default at the host \S+ serves this database alone; start it with OMOI_NODE_NAME/,
  );
});

test("nodes join by their names, each with a data folder of its own", async () => {
  const app = await startFirst(await clusterEnv("one"));
  const second = await clusterEnv("two");
  await startOther(app, { ...newFolder("second"), ...second });
  expect(await nodesOf(app)).toEqual(["one 1", "two 1"]);
  const starting = startOther(app, { ...newFolder("third"), ...(await clusterEnv("two")) });
  await expect(starting).rejects.toThrow(
    /OMOI_NODE_NAME two belongs to the data folder of another server at the host \S+; choose another name/,
  );
});

test("a server that stops and starts again is the same node, also under another name", async () => {
  const env = await clusterEnv("one");
  const app = await startFirst(env);
  const folderOfTwo = newFolder("second");
  const two = await app.sibling({ ...folderOfTwo, ...(await clusterEnv("two")) });
  await two.close();
  await queryAsOwner(app, "update nodes set lease_until = now() where name = 'two'");
  await startOther(app, { ...folderOfTwo, ...(await clusterEnv("three")) });
  expect(await nodesOf(app)).toEqual(["one 1", "three 1"]);
});

test("a server under another name is refused while its data folder is served", async () => {
  const app = await startFirst(await clusterEnv("one"));
  const folderOfTwo = newFolder("second");
  const two = await startOther(app, { ...folderOfTwo, ...(await clusterEnv("two")) });
  const renamed = async () => ({ ...folderOfTwo, ...(await clusterEnv("three")) });
  await expect(startOther(app, await renamed())).rejects.toThrow(
    /The server two at the host \S+ uses \S+; stop it before you start three with this folder/,
  );
  expect(await nodesOf(app)).toEqual(["one 1", "two 1"]);
  // Its projects stay where they are, for everyone.
  const owner = await app.person();
  const { id } = await makeOrganization(owner);
  const [one, other] = [owner.api, two.client(owner.token)];
  for (let made = 0; made < 4; made += 1) {
    const { id: project_id } = await makeProject(owner, id);
    for (const api of [one, other]) await api.projects.get({ params: { project_id } });
  }
});

test("a node is refused without its name while others share the database", async () => {
  const app = await startFirst(await clusterEnv("one"));
  const two = newFolder("second");
  await (await app.sibling({ ...two, ...(await clusterEnv("two")) })).close();
  const { OMOI_PORT: port } = await clusterEnv("two");
  const nameless = { OMOI_NODE_NAME: "", OMOI_NODE_URL: "", OMOI_CLUSTER_SECRET: "" };
  await expect(startOther(app, { ...two, ...nameless, OMOI_PORT: String(port) })).rejects.toThrow(
    "Other servers share the database of this one; set OMOI_NODE_NAME to two",
  );
});

test("an upgraded installation keeps to the folder of its projects", async () => {
  const app = await startFirst();
  const owner = await app.person();
  await makeProject(owner, (await makeOrganization(owner)).id);
  const [before] = await queryAsOwner<{ id: string }>(app, "select id from nodes");
  // As the migration leaves it.
  await queryAsOwner(app, "update nodes set folder = null, place = null, lease_until = null");
  const other = newFolder("other");
  await expect(startOther(app, other)).rejects.toThrow(
    "The projects of this database are in the data folder of the server default",
  );
  await rm(join(app.dataDir, nodeFile));
  await startOther(app, {});
  const after = await queryAsOwner<{ id: string }>(app, "select id from nodes");
  expect(after).toEqual([before]);
});

test("a copy of a data folder in use is refused, and taken over after its lease", async () => {
  const app = await startFirst();
  const copy = join(folder, "copy");
  await cp(app.dataDir, copy, { recursive: true });
  await expect(startOther(app, { OMOI_DATA_DIR: copy })).rejects.toThrow(
    /A server with the same data folder is running at the host \S+: a copy of a folder in use cannot be served/,
  );
  expect(await nodesOf(app)).toEqual(["default 1"]);

  // The lease of a server that crashed on another machine.
  await queryAsOwner(app, "update nodes set place = 'elsewhere', lease_until = now()");
  await startOther(app, { OMOI_DATA_DIR: copy });
  expect(await nodesOf(app)).toEqual(["default 2"]);

  // The first folder lacks the work that was done in the copy.
  await queryAsOwner(app, "update nodes set place = 'elsewhere', lease_until = now()");
  await expect(startOther(app, {})).rejects.toThrow(
    /is out of date: the server default at the host \S+ has served a newer copy of it since/,
  );
  await startOther(app, { OMOI_DATA_DIR: copy });
  expect(await nodesOf(app)).toEqual(["default 3"]);
});

test("a server whose node was taken over writes nothing more", async () => {
  const app = await startFirst();
  const owner = await app.person();
  const organization = await makeOrganization(owner);
  await queryAsOwner(app, "update nodes set epoch = epoch + 1");
  await expectProblem(makeProject(owner, organization.id), 503, "home_unavailable");
  await expectProblem(
    owner.api.organizations.update({ params: { org_id: organization.id }, body: { name: "New" } }),
    503,
    "home_unavailable",
  );
});

test("a data folder of another database is refused", async () => {
  const app = await startFirst();
  const owner = await app.person();
  await makeProject(owner, (await makeOrganization(owner)).id);
  const other = await startFirst();
  await expect(startOther(other, { OMOI_DATA_DIR: app.dataDir })).rejects.toThrow(
    `${app.dataDir} belongs to another database; set OMOI_DATABASE_URL to that one`,
  );
});

test("a damaged file with the id of the node stops the start", async () => {
  const app = await startFirst();
  const damaged = newFolder("damaged");
  const own = await startFirst(damaged).catch((error: unknown) => error);
  expect(own).not.toBeInstanceOf(Error);
  await writeFile(join(folder, "damaged", nodeFile), "{}");
  await expect(startOther(app, damaged)).rejects.toThrow(ConfigError);
});
