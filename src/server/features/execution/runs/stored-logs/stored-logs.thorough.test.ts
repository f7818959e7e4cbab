import { randomBytes } from "node:crypto";
import { mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { pino } from "pino";
import { v7 } from "uuid";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import type { Run } from "#shared/api/execution/runs.js";
import { storageIn } from "#server/data-folder/storage.js";
import {
  expectProblem,
  startTestApp,
  type TestApp,
  type TestPerson,
} from "#test/support/server/app.js";
import { queryAsOwner } from "#test/support/database/queries.js";
import {
  makeAgent,
  makeOrganization,
  makeProject,
  makeWorkspace,
} from "#test/support/fixtures/factories.js";
import { followLog, shell, waitForRunEnd } from "#test/support/fixtures/runs.js";
import { send } from "#test/support/http/raw-request.js";
import { samplesOf, scrapeAnew } from "#test/support/http/scrape.js";
import {
  startS3Server,
  type Fault,
  type S3Server,
} from "#test/support/object-storage/s3-server.js";
import { deleteLogObjectsOf, expireLogObjects } from "../../log-objects/index.js";
import { createLogStorage, type LogStorage } from "./log-storage.js";
import { openRunLog } from "./open-run-log.js";
import { storeLog } from "./store-log.js";
import { sweepLogObjects } from "./sweep-log-objects.js";
import { syncLogs } from "./sync-logs.js";

let s3: S3Server;
let app: TestApp;
let owner: TestPerson;
let orgId: string;
let projectId: string;
let logStorage: LogStorage;
const never = new AbortController().signal;

beforeAll(async () => {
  s3 = await startS3Server();
  app = await startTestApp({ ...s3.env, OMOI_S3_PREFIX: "some/prefix" }, "real");
  owner = await app.person("Ada");
  orgId = (await makeOrganization(owner)).id;
  projectId = (await makeProject(owner, orgId)).id;
  logStorage = logStorageOf(app);
});
afterEach(() => {
  s3.fault = () => null;
});
afterAll(async () => {
  await app.close();
  await s3.close();
});

/** Another process in effect, whose job is not run by a queue. */
function logStorageOf({ config, db }: TestApp): LogStorage {
  const jobs = {
    send: () => Promise.resolve(),
    sendTo: () => Promise.resolve(),
    work: () => Promise.resolve(),
    stop: () => Promise.resolve(),
  };
  return createLogStorage({
    db,
    jobs,
    storage: storageIn(config.dataDir),
    log: pino({ level: "silent" }),
    settings: config,
  });
}

const sync = (): Promise<void> => syncLogs(logStorage, never);
const rowsOf = (where: string, values: unknown[] = []) =>
  queryAsOwner<{ run_id: string; state: string; object_key: string; bytes: string }>(
    app,
    `select run_id, state, object_key, bytes from log_objects where ${where}`,
    values,
  );

async function start(script: string, agentId?: string): Promise<Run> {
  const agent_id = agentId ?? (await makeWorkspace(owner, projectId)).agent.id;
  const body = { command: shell(script) };
  return (await owner.api.runs.create({ params: { agent_id }, body })).data;
}

/** Moves the log of an ended run. */
async function waitUntilMoved(runId: string): Promise<string> {
  const path = storageIn(app.dataDir).runLog(orgId, projectId, runId);
  for (;;) {
    await sync();
    const names = await readdir(dirname(path));
    const [row] = await rowsOf("run_id = $1", [runId]);
    if (row?.state === "stored" && !names.includes(`${runId}.log`)) return row.object_key;
    await pause(50);
  }
}

async function textOf(runId: string): Promise<string> {
  return (await send(app, "GET", `/api/v1/runs/${runId}/logs`, { token: owner.token })).text;
}

/** All that readers get of a log. */
async function readAll(run: Run) {
  const path = `/api/v1/runs/${run.id}/logs`;
  const get = (query: string) => send(app, "GET", `${path}${query}`, { token: owner.token });
  const texts = await Promise.all(
    ["", "?tail=3", "?times=true", "?stream=stderr", "?stream=stdout&tail=2", "?download=true"].map(
      async (query) => {
        const { status, text, headers } = await get(query);
        return { status, text, disposition: headers.get("content-disposition") };
      },
    ),
  );
  const followed = await followLog(app, owner, run.id);
  const middle = followed.events[Math.floor(followed.events.length / 2)];
  const resumed = await followLog(app, owner, run.id, { lastEventId: middle?.id ?? "" });
  const head = await send(app, "HEAD", path, { token: owner.token });
  const work = await owner.api.overview.work({ params: { org_id: orgId }, query: {} });
  const line = work.data.find(({ agent_id }) => agent_id === run.agent_id)?.last_line;
  return { texts, followed, resumed, head: head.status, line };
}

test("every reader gets the same log from the object storage as from the data folder", async () => {
  s3.fault = ({ method }) => (method === "PUT" ? "status 403" : null);
  const run = await start("seq 1 60000; echo problem >&2; echo the end");
  await waitForRunEnd(owner, run.id);
  const before = await readAll(run);
  // The streams have no order.
  expect(["problem", "the end"]).toContain(before.line);
  s3.fault = () => null;
  const key = await waitUntilMoved(run.id);
  // Only ids after the prefix.
  expect(key.replaceAll(/[0-9a-f-]{36}/g, "ID")).toBe("some/prefix/logs/ID/ID/ID/ID.log");
  expect(await readAll(run)).toEqual(before);
  expect(before.texts[0]?.text).toContain("\n60000\n");
});

test("a log that the object storage does not take is counted until it is stored", async () => {
  const countFailing = async (): Promise<number | undefined> =>
    samplesOf(await scrapeAnew(app), "omoi_failing_log_uploads").get("");
  expect(await countFailing()).toBe(0);
  s3.fault = ({ method }) => (method === "PUT" ? "status 403" : null);
  const run = await start("true");
  await waitForRunEnd(owner, run.id);
  await expect.poll(countFailing).toBe(1);
  s3.fault = () => null;
  await waitUntilMoved(run.id);
  expect(await countFailing()).toBe(0);
});

test("an entry longer than a window of the reader is read whole", async () => {
  const run = await start("true");
  await waitForRunEnd(owner, run.id);
  await waitUntilMoved(run.id);
  // Version 0.1 wrote such entries.
  const long = "x".repeat(500_000);
  const at = new Date().toISOString();
  const lines = [long, "short", long].map((text) =>
    JSON.stringify({ stream: "stdout", at, text: `${text}\n` }),
  );
  const path = storageIn(app.dataDir).runLog(orgId, projectId, run.id);
  await writeFile(path, `${lines.join("\n")}\n`);
  await waitUntilMoved(run.id);
  const get = (query: string) =>
    send(app, "GET", `/api/v1/runs/${run.id}/logs${query}`, { token: owner.token });
  expect((await get("")).text === `${long}\nshort\n${long}\n`).toBe(true);
  expect((await get("?tail=2")).text === `short\n${long}\n`).toBe(true);
});

test.for(["reset", "status 500", "status 403"] satisfies Fault[])(
  "answers 503 while the bucket fails by %s, and nothing else suffers",
  async (fault) => {
    const run = await start("echo kept");
    await waitForRunEnd(owner, run.id);
    await waitUntilMoved(run.id);
    s3.fault = () => fault;
    const path = `/api/v1/runs/${run.id}/logs`;
    for (const headers of [{}, { accept: "text/event-stream" }] as Record<string, string>[]) {
      const answer = await send(app, "GET", path, { token: owner.token, headers });
      expect(answer.status).toBe(503);
      expect(answer.headers.get("retry-after")).toBe("10");
      expect(JSON.parse(answer.text)).toMatchObject({ code: "log_unavailable" });
    }
    expect((await owner.api.runs.get({ params: { run_id: run.id } })).data.status).toBe(
      "succeeded",
    );
    const another = await start("echo meanwhile", run.agent_id as string);
    await waitForRunEnd(owner, another.id);
    const text = await send(app, "GET", `/api/v1/runs/${another.id}/logs`, { token: owner.token });
    expect(text.text).toBe("meanwhile\n");
    s3.fault = () => null;
    expect((await send(app, "GET", path, { token: owner.token })).text).toBe("kept\n");
  },
);

test("a server without the setting, and a missing object, say what is missing", async () => {
  const run = await start("echo kept");
  await waitForRunEnd(owner, run.id);
  const key = await waitUntilMoved(run.id);
  const ofRun = { orgId, projectId, runId: run.id };
  const without = openRunLog({ ...logStorage, objects: null }, ofRun, (work) => work());
  await expect(without).rejects.toMatchObject({
    code: "log_unavailable",
    message: expect.stringContaining("set OMOI_S3_ENDPOINT again") as unknown,
  });
  await s3.storage.delete({ bucket: s3.bucket, key });
  const call = owner.api.runs.logs({ params: { run_id: run.id }, query: {} });
  const problem = await expectProblem(call, 503, "log_unavailable");
  expect(problem.detail).toContain("missing in the object storage");
});

test("another organization gets 404 for a moved log", async () => {
  const run = await start("echo secret");
  await waitForRunEnd(owner, run.id);
  await waitUntilMoved(run.id);
  const stranger = await app.person("Eve");
  await makeOrganization(stranger);
  await expectProblem(
    stranger.api.runs.logs({ params: { run_id: run.id }, query: {} }),
    404,
    "not_found",
  );
});

test("the log of a running run, and of one that was lost just now, stays in the data folder", async () => {
  const run = await start("echo begun; sleep 60");
  const path = storageIn(app.dataDir).runLog(orgId, projectId, run.id);
  await expect.poll(() => readdir(dirname(path))).toContain(`${run.id}.log`);
  await sync();
  expect(await rowsOf("run_id = $1", [run.id])).toEqual([]);
  await owner.api.runs.stop({ params: { run_id: run.id } });
  await waitForRunEnd(owner, run.id);
  await waitUntilMoved(run.id);

  const lostId = await insertLog("lost\n", "lost");
  await sync();
  expect(await rowsOf("run_id = $1", [lostId])).toEqual([]);
  await queryAsOwner(app, "update runs set ended_at = now() - interval '1 hour' where id = $1", [
    lostId,
  ]);
  await waitUntilMoved(lostId);
});

/** Inserts ended runs with their logs in the data folder, and returns their ids in order. */
async function insertLogs(
  texts: readonly string[],
  status = "succeeded",
  project = projectId,
): Promise<string[]> {
  const agentId = (await makeAgent(owner, project)).id;
  const ids = texts.map(() => v7());
  await queryAsOwner(
    app,
    `insert into runs (id, org_id, agent_id, kind, status, command, network, timeout_seconds, limits,
       started_at, ended_at, last_heartbeat_at)
     select id, $2, $3, 'managed', $4, '{true}', 'none', 60, '{}', now(), now(), now()
     from unnest($1::uuid[]) as id`,
    [ids, orgId, agentId, status],
  );
  const storage = storageIn(app.dataDir);
  await mkdir(storage.runLogs(orgId, project), { recursive: true });
  for (const [index, text] of texts.entries()) {
    const entry = { stream: "stdout", at: new Date().toISOString(), text };
    const path = storage.runLog(orgId, project, ids[index] ?? "");
    await writeFile(path, `${JSON.stringify(entry)}\n`);
  }
  return ids;
}

async function insertLog(text: string, status?: string, project?: string): Promise<string> {
  return (await insertLogs([text], status, project))[0] as string;
}

test("expired logs are deleted in the object storage, after an outage, too", async () => {
  const id = await insertLog("old\n");
  const key = await waitUntilMoved(id);
  await queryAsOwner(
    app,
    "update log_objects set last_output_at = now() - interval '31 days' where run_id = $1",
    [id],
  );
  await app.db.withSystem("test", (tx) => expireLogObjects(tx, 30));
  s3.fault = () => "status 500";
  await sync();
  expect(await rowsOf("run_id = $1", [id])).toMatchObject([{ state: "deleting" }]);
  expect(await textOf(id)).toBe("");
  s3.fault = () => null;
  await sync();
  expect(await rowsOf("run_id = $1", [id])).toEqual([]);
  expect(await s3.keys()).not.toContain(key);
});

test("a project's logs are deleted with it, also one that is being moved", async () => {
  const project = await makeProject(owner, orgId);
  const moved = await insertLog("moved\n", "succeeded", project.id);
  await expect
    .poll(async () => (await sync(), await rowsOf("run_id = $1", [moved])))
    .toMatchObject([{ state: "stored" }]);
  // Deleted between its upload and its record.
  const moving = await insertLog("moving\n", "succeeded", project.id);
  let isDeleted = false;
  s3.fault = ({ method, url }) => {
    if (method === "GET" && url.includes(moving) && !isDeleted) {
      isDeleted = true;
      void owner.api.projects.delete({ params: { project_id: project.id } });
      return "slow";
    }
    return null;
  };
  await expect.poll(async () => (await sync(), isDeleted)).toBe(true);
  await expect
    .poll(async () => {
      await sync();
      const left = (await s3.keys()).filter((key) => key.includes(project.id));
      return { left, rows: await rowsOf("project_id = $1", [project.id]) };
    })
    .toEqual({ left: [], rows: [] });
  // Nothing is moved for a deleted project: its log is one that a process wrote late.
  const path = storageIn(app.dataDir).runLog(orgId, project.id, moving);
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, "late\n");
  await sync();
  expect(await rowsOf("project_id = $1", [project.id])).toEqual([]);
  expect((await s3.keys()).filter((key) => key.includes(project.id))).toEqual([]);
});

test("a log that grew after its move is moved again, whole", async () => {
  const id = await insertLog("begin\n");
  const key = await waitUntilMoved(id);
  const at = new Date().toISOString();
  const lines = ["begin\n", "late\n"].map((text) => JSON.stringify({ stream: "stdout", at, text }));
  const path = storageIn(app.dataDir).runLog(orgId, projectId, id);
  await writeFile(path, `${lines.join("\n")}\n`);
  expect(await waitUntilMoved(id)).toBe(key);
  expect(await textOf(id)).toBe("begin\nlate\n");
});

test("a process with an outdated list of logs changes nothing of a moved log", async () => {
  const id = await insertLog("moved\n");
  await waitUntilMoved(id);
  const { objects, target } = logStorage;
  if (objects === null || target === null) throw new Error("no object storage");
  await storeLog(logStorage, objects, target, { orgId, projectId, runId: id }, never);
  expect(await rowsOf("run_id = $1", [id])).toMatchObject([{ state: "stored" }]);
  expect(await textOf(id)).toBe("moved\n");
});

test("an upload that was interrupted before its log expired leaves no object", async () => {
  const id = await insertLog("expired\n");
  s3.fault = ({ method }) => (method === "GET" ? "status 500" : null);
  await sync();
  s3.fault = () => null;
  const [row] = await rowsOf("run_id = $1", [id]);
  expect(row?.state).toBe("uploading");
  expect(await s3.keys()).toContain(row?.object_key);
  await rm(storageIn(app.dataDir).runLog(orgId, projectId, id));
  await queryAsOwner(app, "update runs set ended_at = now() - interval '32 days' where id = $1", [
    id,
  ]);
  await app.db.withSystem("test", (tx) => expireLogObjects(tx, 30));
  await sync();
  expect(await rowsOf("run_id = $1", [id])).toEqual([]);
  expect(await s3.keys()).not.toContain(row?.object_key);
});

test("the sweep deletes old objects without a run, and no others", async () => {
  const kept = await waitUntilMoved(await insertLog("kept\n"));
  const prefix = await logStorage.target?.prefix();
  const orphan = `${prefix}${orgId}/${projectId}/${v7()}.log`;
  // The database has lost the row of this log, but not its run.
  const lost = await waitUntilMoved(await insertLog("lost\n"));
  await queryAsOwner(app, "delete from log_objects where object_key = $1", [lost]);
  const foreign = `some/prefix/logs/${v7()}/x.log`;
  async function* content() {
    yield await Promise.resolve(Buffer.from("left"));
  }
  for (const key of [orphan, foreign])
    await s3.storage.upload({ bucket: s3.bucket, key }, content());
  expect(await sweepLogObjects(logStorage, s3.storage)).toBe(0);
  expect(await sweepLogObjects(logStorage, s3.storage, Date.now() + 8 * 86_400_000)).toBe(1);
  const keys = await s3.keys();
  expect(keys).toEqual(expect.arrayContaining([kept, lost, foreign]));
  expect(keys).not.toContain(orphan);
  await s3.storage.delete({ bucket: s3.bucket, key: lost });
});

test("many logs are moved once each by two processes, through random failures", async () => {
  await app.db.tenant(orgId, (tx) => deleteLogObjectsOf(tx, projectId));
  await sync();
  const content = Array.from(
    { length: 500 },
    (_, index) => `${index} ${randomBytes(100 + index * 4).toString("hex")}\n`,
  );
  const ids = await insertLogs(content);
  const texts = new Map(ids.map((id, index) => [id, content[index]]));
  const faults: Fault[] = ["status 500", "reset", "reset after", "truncated", "slow"];
  s3.fault = () =>
    Math.random() < 0.05 ? (faults[Math.floor(Math.random() * faults.length)] as Fault) : null;
  s3.seen.length = 0;
  const sibling = await app.sibling();
  const processes = [logStorage, logStorageOf(sibling)];
  for (;;) {
    await Promise.all(processes.map((item) => syncLogs(item, never)));
    const stored = await rowsOf("state = 'stored' and run_id = any($1)", [[...texts.keys()]]);
    if (stored.length === texts.size) break;
  }
  s3.fault = () => null;
  await sibling.close();
  const keys = (await s3.keys()).filter((key) => key.includes(projectId));
  expect(keys).toHaveLength(texts.size);
  for (const [id, text] of texts) {
    expect(await textOf(id)).toBe(text);
  }
  await sync();
  const left = await readdir(storageIn(app.dataDir).runLogs(orgId, projectId));
  expect(left.filter((name) => texts.has(name.slice(0, -4)))).toEqual([]);
}, 240_000);
