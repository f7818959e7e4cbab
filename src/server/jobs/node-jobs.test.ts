import pg from "pg";
import { pino } from "pino";
import { afterAll, beforeAll, expect, test } from "vitest";
import { queryAsOwner } from "#test/support/database/queries.js";
import { makeOrganization, makeProject } from "#test/support/fixtures/factories.js";
import { startTestApp, type TestApp } from "#test/support/server/app.js";
import { openNodeQueues, prepareQueues } from "../db/queue-schema.js";
import { newId } from "../db/tables/columns.js";
import { startJobs, type Jobs } from "./queue.js";

let app: TestApp;
const running: Jobs[] = [];
beforeAll(async () => {
  app = await startTestApp();
});
afterAll(async () => {
  for (const jobs of running) await jobs.stop(5000);
  await app.close();
});

/** Adds a node, as the serving role. */
async function addNode(): Promise<string> {
  const id = newId();
  await app.db.withSystemTx("add a node", async (tx) => {
    await queryAsOwner(app, "insert into nodes (id, name) values ($1, $2)", [id, id]);
    await openNodeQueues(tx, id);
  });
  return id;
}
/** Home nodes of projects. */
const homes = new Map<string, string>();
/** Starts a process of a node, which notes the projects of the scans that it takes. */
async function startNode(
  id: string,
  { pool = app.db.jobPool, concurrency = 1 }: { pool?: pg.Pool; concurrency?: number } = {},
): Promise<{ jobs: Jobs; taken: string[] }> {
  const taken: string[] = [];
  const jobs = await startJobs(pool, pino({ level: "silent" }), {
    id,
    homeOf: async (projectId) => homes.get(projectId) ?? null,
    isPaused: async () => false,
    lease: { untilHeld: async () => {}, onLapse: () => () => {} },
    work: { begin: () => () => {} },
  });
  running.push(jobs);
  const note = async ({ project_id }: { project_id: string }): Promise<void> =>
    void taken.push(project_id);
  await jobs.work("scan-project", note, concurrency);
  return { jobs, taken };
}
const pendingOf = (nodeId: string) =>
  queryAsOwner<{ name: string }>(app, "select name, data from pgboss.job where name like $1", [
    `%.${nodeId}`,
  ]);
function projectOf(nodeId: string): { org_id: string; project_id: string } {
  const project_id = newId();
  homes.set(project_id, nodeId);
  return { org_id: newId(), project_id };
}

test("a job waits for the home of its project, once for each key", async () => {
  const [here, away] = [await addNode(), await addNode()];
  const { jobs, taken } = await startNode(here);
  const [own, other] = [projectOf(here), projectOf(away)];
  for (let time = 0; time < 3; time += 1) await jobs.send("scan-project", other);
  await jobs.send("scan-project", own);
  await expect.poll(() => taken).toEqual([own.project_id]);
  expect(await pendingOf(away)).toEqual([{ name: `scan-project.${away}`, data: other }]);
  const back = await startNode(away);
  await expect.poll(() => back.taken).toEqual([other.project_id]);
  expect(taken).toEqual([own.project_id]);
});

test("the job of a project that has moved goes on to its new home", async () => {
  const [before, after] = [await addNode(), await addNode()];
  const project = projectOf(before);
  const { jobs } = await startNode(after);
  await jobs.send("scan-project", project);
  homes.set(project.project_id, after);
  const old = await startNode(before);
  await expect.poll(() => pendingOf(before)).toEqual([]);
  await expect.poll(() => pendingOf(after)).toEqual([]);
  expect(old.taken).toEqual([]);
});

test("work is aborted when the node may not write", async () => {
  const id = await addNode();
  const lapses = new Set<() => void>();
  const jobs = await startJobs(app.db.jobPool, pino({ level: "silent" }), {
    id,
    homeOf: async () => id,
    isPaused: async () => false,
    lease: {
      untilHeld: async () => {},
      onLapse: (listener) => {
        lapses.add(listener);
        return () => lapses.delete(listener);
      },
    },
    work: { begin: () => () => {} },
  });
  running.push(jobs);
  const begun: AbortSignal[] = [];
  await jobs.work("scan-project", async (_data, signal) => {
    begun.push(signal);
    await new Promise((resolve) => signal.addEventListener("abort", resolve));
  });
  await jobs.send("scan-project", projectOf(id));
  await expect.poll(() => begun.map(({ aborted }) => aborted)).toEqual([false]);
  expect(lapses.size).toBe(1);
  for (const listener of lapses) listener();
  expect(begun.map(({ aborted }) => aborted)).toEqual([true]);
  await expect.poll(() => lapses.size).toBe(0);
});

test("two hundred nodes need no further partition", async () => {
  const partitions = () =>
    queryAsOwner(
      app,
      "select count(*)::int from pg_inherits where inhparent = 'pgboss.job'::regclass",
    );
  const before = await partitions();
  await queryAsOwner(
    app,
    "insert into nodes (id, name) select gen_random_uuid(), 'node ' || n from generate_series(1, 200) n",
  );
  await app.db.withSystem("open queues", (tx) => openNodeQueues(tx, null));
  const last = await addNode();
  const { jobs, taken } = await startNode(last);
  const project = projectOf(last);
  await jobs.send("scan-project", project);
  await expect.poll(() => taken).toEqual([project.project_id]);
  expect(await partitions()).toEqual(before);
});

test("pending jobs of an earlier version are moved to the homes of their projects", async () => {
  const { id: home } = app.db.node;
  const person = await app.person();
  const { id: project, organization_id: org } = await makeProject(
    person,
    (await makeOrganization(person)).id,
  );
  await queryAsOwner(
    app,
    `select pgboss.create_queue('import-project', '{"policy": "standard", "retryLimit": 2}')`,
  );
  const insert = (name: string, start: string) =>
    queryAsOwner(
      app,
      `insert into pgboss.job (name, data, start_after) values ($1, $2, now() + $3::interval)`,
      [name, { org_id: org, project_id: project }, start],
    );
  await insert("import-project", "1 day");
  const owner = new pg.Client({ ...app.owner, options: "-c app.system=on" });
  await owner.connect();
  try {
    // A second start finds nothing more.
    for (let time = 0; time < 2; time += 1) await prepareQueues(owner);
  } finally {
    await owner.end();
  }
  expect(await pendingOf(home)).toEqual([
    { name: `import-project.${home}`, data: { org_id: org, project_id: project } },
  ]);
});

test("an idle process asks once for all its workers, and takes what another process sends", async () => {
  const id = await addNode();
  const statements: string[] = [];
  const query = (text: string, values: unknown[]): Promise<unknown> => {
    statements.push(text);
    return app.db.jobPool.query(text, values);
  };
  const { taken } = await startNode(id, { pool: { query } as unknown as pg.Pool, concurrency: 5 });
  const polls = (): number => statements.filter((text) => text.includes("unnest")).length;
  const asked = (): number =>
    statements.filter((text) => text.includes("set state = 'active'")).length;
  // Each worker asks when it begins.
  await expect.poll(asked).toBe(5);
  statements.length = 0;
  await expect.poll(polls).toBeGreaterThan(2);
  expect(asked()).toBe(0);
  // A server that was demoted refuses it, so that the connection is given up.
  const text = statements.find((statement) => statement.includes("unnest")) as string;
  const client = await app.db.jobPool.connect();
  try {
    await client.query("begin read only");
    await expect(client.query(text, [[]])).rejects.toMatchObject({ code: "25006" });
  } finally {
    client.release(true);
  }

  const sender = await startNode(await addNode());
  const sent = Array.from({ length: 12 }, () => projectOf(id));
  await Promise.all(sent.map((data) => sender.jobs.sendTo(id, "scan-project", data)));
  const ids = sent.map(({ project_id }) => project_id);
  await expect.poll(() => taken.toSorted()).toEqual(ids.toSorted());
});
