import { randomUUID } from "node:crypto";
import { rm, utimes } from "node:fs/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { storageIn } from "#server/data-folder/storage.js";
import { expireNotifications } from "#server/features/work/notifications/start-notifications.js";
import { deleteExpiredLogs } from "#server/features/execution/runs/logs/expired-logs.js";
import type { Project } from "#shared/api/code/projects.js";
import { insertNotifications } from "../support/database/insert-notification.js";
import { insertPastRuns } from "../support/database/past-runs.js";
import { insertSession } from "../support/database/insert-session.js";
import { queryAsOwner } from "../support/database/queries.js";
import {
  makeAgent,
  makeOrganization,
  makeProject,
  makeWorkspace,
} from "../support/fixtures/factories.js";
import { shell, waitForRunEnd } from "../support/fixtures/runs.js";
import { problemOf, send } from "../support/http/raw-request.js";
import { startTestApp, type TestApp, type TestPerson } from "../support/server/app.js";

const DAY_MS = 86_400_000;

let app: TestApp;
let owner: TestPerson;
let orgId: string;
let project: Project;
beforeAll(async () => {
  app = await startTestApp({ OMOI_RUN_LOG_DAYS: "7" }, "real");
  owner = await app.person("owner");
  orgId = (await makeOrganization(owner)).id;
  project = await makeProject(owner, orgId);
});
afterAll(() => app.close());

const get = (path: string, accept = "text/plain") =>
  send(app, "GET", `/api/v1${path}`, { token: owner.token, headers: { accept } });

test("a log that was deleted after its days is 410, as text and as a stream", async () => {
  const { agent } = await makeWorkspace(owner, project.id);
  const { data: run } = await owner.api.runs.create({
    params: { agent_id: agent.id },
    body: { command: shell("echo kept") },
  });
  await waitForRunEnd(owner, run.id);
  const storage = storageIn(app.dataDir);
  const file = storage.runLog(orgId, project.id, run.id);
  const age = async (days: number): Promise<void> => {
    const at = new Date(Date.now() - days * DAY_MS);
    await utimes(file, at, at);
    await queryAsOwner(app, "update runs set ended_at = $2 where id = $1", [run.id, at]);
  };
  await age(6.9);
  await deleteExpiredLogs(storage, 7);
  expect((await get(`/runs/${run.id}/logs`)).text).toBe("kept\n");
  await age(7.1);
  await deleteExpiredLogs(storage, 7);
  for (const accept of ["text/plain", "text/event-stream"]) {
    const { code, status, detail } = problemOf(await get(`/runs/${run.id}/logs`, accept));
    expect([status, code]).toEqual([410, "log_expired"]);
    expect(detail).toContain("OMOI_RUN_LOG_DAYS");
  }
  expect((await get(`/runs/${run.id}`, "application/json")).status).toBe(200);
});

test("a log that is missing for another reason, or that never was, is empty", async () => {
  const { agent } = await makeWorkspace(owner, project.id);
  const { data: run } = await owner.api.runs.create({
    params: { agent_id: agent.id },
    body: { command: shell("echo lost") },
  });
  await waitForRunEnd(owner, run.id);
  await rm(storageIn(app.dataDir).runLog(orgId, project.id, run.id));
  const other = await makeAgent(owner, project.id);
  const [from, to] = ["2026-01-01T00:00:00.000Z", "2026-01-01T01:00:00.000Z"];
  await insertPastRuns(app, orgId, [{ agentId: other.id, from, to }]);
  const { data: past } = await owner.api.runs.list({ params: { agent_id: other.id }, query: {} });
  for (const id of [run.id, past[0]?.id]) {
    const { status, text } = await get(`/runs/${id}/logs`);
    expect([status, text]).toEqual([200, ""]);
  }
});

test("a transcript that was deleted after its days is 410", async () => {
  const agent = await makeAgent(owner, project.id);
  const id = randomUUID();
  await insertSession(app, id, agent.id);
  const events = () => get(`/sessions/${id}/events`, "text/event-stream");
  expect((await events()).status).toBe(200);
  const sql = "update agent_sessions set updated_at = now() - interval '8 days' where id = $1";
  await queryAsOwner(app, sql, [id]);
  expect(problemOf(await events())).toMatchObject({ status: 410, code: "log_expired" });
});

test("notifications are deleted with their deliveries after the days of the operator", async () => {
  await insertNotifications(app, orgId, owner.id, 2);
  const sql = `update notifications set created_at = now() - interval '9 days'
    where id in (select id from notifications limit 1)`;
  await queryAsOwner(app, sql);
  const list = async () => (await owner.api.notifications.deliveries({ query: {} })).data.length;
  await expireNotifications(app.db, 10);
  expect(await list()).toBe(2);
  await expireNotifications(app.db, 8);
  expect(await list()).toBe(1);
});
