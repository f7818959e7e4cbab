import { utimes } from "node:fs/promises";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import type { Project } from "#shared/api/code/projects.js";
import {
  expectProblem,
  startTestApp,
  type TestApp,
  type TestPerson,
} from "#test/support/server/app.js";
import { acpAgent } from "#test/support/fixtures/acp-agent.js";
import { storageIn } from "#server/data-folder/storage.js";
import { systemRoleIds } from "#server/db/migrate.js";
import { makeTaskProject, type TaskProject } from "#test/support/fixtures/tasks.js";

let app: TestApp;
let owner: TestPerson;
let orgId: string;
let project: Project;
let create: TaskProject["create"];
let get: TaskProject["get"];
let until: TaskProject["until"];

beforeAll(async () => {
  app = await startTestApp({ OMOI_SANDBOX: "required", OMOI_RUN_STOP_GRACE_SECONDS: "1" }, "real");
  owner = await app.person("Ada");
});
afterAll(() => app.close());
beforeEach(async () => {
  ({ orgId, project, create, get, until } = await makeTaskProject(owner));
});

const finish = (id: string) =>
  owner.api.tasks.update({ params: { task_id: id }, body: { status: "done" } });

test("a task of an API key starts after its dependency", async () => {
  const { data } = await owner.api.apiKeys.create({
    body: { name: "ci", organization_id: orgId },
  });
  const first = await create("Decide", { start: false });
  const second = await create(
    "say Hello?",
    { depends_on: [first.id] },
    app.client(data.key as string),
  );
  expect(second).toMatchObject({ status: "waiting", source: { kind: "api" } });
  await finish(first.id);
  await until(second.id, "needs_you");
});

test("a task whose creator has left says so, and others start", async () => {
  const member = await app.person("Bob");
  const { data: added } = await owner.api.members.add({
    params: { org_id: orgId },
    body: { user_id: member.id, role_id: systemRoleIds.member },
  });
  const first = await create("Decide", { start: false });
  const theirs = await create("say Hello?", { depends_on: [first.id] }, member.api);
  const own = await create("say Hello?", { depends_on: [first.id] });
  await owner.api.members.remove({ params: { org_id: orgId, member_id: added.id } });
  await finish(first.id);
  const failed = await until(theirs.id, "failed");
  expect(failed.attention).toMatchObject({ kind: "failed", attempt_id: null });
  await until(own.id, "needs_you");
  // Another member starts it.
  await owner.api.tasks.retry({ params: { task_id: theirs.id } });
  await until(theirs.id, "needs_you");
});

test("a task that depends on a canceled one needs a person", async () => {
  const first = await create("Decide", { start: false });
  const second = await create("say Hello?", { depends_on: [first.id] });
  await owner.api.tasks.delete({ params: { task_id: first.id } });
  expect(await get(second.id)).toMatchObject({
    status: "waiting",
    attention: { kind: "failed", summary: "A task that it depends on was canceled." },
  });
});

test("work that is silent for too long is stuck, until it goes on", async () => {
  await owner.api.projects.update({
    params: { project_id: project.id },
    body: { stuck_after_minutes: 1 },
  });
  const { id } = await create("wait");
  const working = await until(id, "working");
  const sessionId = working.attempts[0]?.session_id as string;
  await expect
    .poll(async () => {
      const { data } = await owner.api.agentSessions.get({ params: { session_id: sessionId } });
      return data.status;
    })
    .toBe("working");
  const path = storageIn(app.dataDir).transcript(orgId, project.id, sessionId);
  const before = new Date(Date.now() - 120_000);
  await utimes(path, before, before);
  await expect.poll(async () => (await get(id)).attention?.kind, { interval: 1000 }).toBe("stuck");
  expect((await get(id)).status).toBe("working");
  await owner.api.agentSessions.cancel({ params: { session_id: sessionId } });
  await expect.poll(async () => (await get(id)).attention?.kind ?? null).toBe(null);
}, 120_000);

test("one stream tells what happens to a task and its attempts, and nothing else", async () => {
  const task = await create("Later", { start: false });
  const aborter = new AbortController();
  const response = await fetch(`${app.url}/api/v1/tasks/${task.id}/events`, {
    headers: { authorization: `Bearer ${owner.token}` },
    signal: aborter.signal,
  });
  let text = "";
  const reading = (async () => {
    const decoder = new TextDecoder();
    for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
      text += decoder.decode(chunk, { stream: true });
    }
  })().catch(() => undefined);
  const other = await create("Another", { start: false });
  const { data: started } = await owner.api.tasks.addAttempts({
    params: { task_id: task.id },
    body: { command: acpAgent("load"), prompt: "say Hello?" },
  });
  await until(task.id, "needs_you");
  const agentId = started.attempts[0]?.agent_id as string;
  await expect.poll(() => text).toContain(`{"type":"session","id":"${agentId}"}`);
  expect(text).toContain(`{"type":"task","id":"${task.id}"}`);
  expect(text).not.toContain(other.id);
  aborter.abort();
  await reading;
  await expectProblem(
    app.client((await app.person("Eve")).token).tasks.get({ params: { task_id: task.id } }),
    404,
    "not_found",
  );
});

test("an agent sees its own task, and directs only tasks that it has created", async () => {
  const own = await create("say Hello?");
  const other = await create("say Hello?");
  const agentId = own.attempts[0]?.agent_id as string;
  const { data: key } = await owner.api.apiKeys.create({
    body: { name: "of the agent", agent_id: agentId, organization_id: orgId },
  });
  const agent = app.client(key.key as string);
  const { data: seen } = await agent.tasks.list({ params: { project_id: project.id } });
  expect(seen.map(({ id }) => id)).toEqual([own.id]);
  await expectProblem(agent.tasks.get({ params: { task_id: other.id } }), 404, "not_found");
  await expectProblem(
    agent.tasks.prompt({ params: { task_id: own.id }, body: { text: "x" } }),
    403,
    "insufficient_permission",
  );
  // A role with more rights does not let it direct its own work.
  const { data: role } = await owner.api.roles.create({
    params: { org_id: orgId },
    body: {
      name: "lead",
      permissions: ["project:read", "project:task:*", "agent:read", "agent:run", "agent:write"],
    },
  });
  const { data: members } = await owner.api.members.list({ params: { org_id: orgId } });
  const member = members.find((one) => one.agent_id === agentId);
  await owner.api.members.update({
    params: { org_id: orgId, member_id: member?.id as string },
    body: { role_id: role.id },
  });
  await expectProblem(
    agent.tasks.update({ params: { task_id: own.id }, body: { status: "done" } }),
    403,
    "insufficient_permission",
  );
  const child = await create("Split the work", { start: false }, agent);
  expect(child).toMatchObject({ parent_task_id: own.id, source: { kind: "agent", id: agentId } });
  await owner.api.organizations.update({
    params: { org_id: orgId },
    body: { max_open_child_tasks: 1 },
  });
  await expectProblem(create("More", { start: false }, agent), 409, "task_limit");
  await agent.tasks.update({ params: { task_id: child.id }, body: { status: "done" } });
  await create("More", { start: false }, agent);
});
