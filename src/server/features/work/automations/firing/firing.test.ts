import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import type { Automation, Firing, NewAutomation } from "#shared/api/work/automations.js";
import {
  expectProblem,
  startTestApp,
  type TestApp,
  type TestPerson,
} from "#test/support/server/app.js";
import {
  makeOrganization,
  makeProjectWith,
  makeWorkspace,
  commitFiles,
  mergeIntoBase,
} from "#test/support/fixtures/factories.js";
import { makeServiceAccount } from "#test/support/fixtures/service-accounts.js";
import { insertPaidRun } from "#test/support/database/insert-paid-run.js";
import { queryAsOwner } from "#test/support/database/queries.js";
import { systemRoleIds } from "#server/db/migrate.js";

/** Without a sandbox: tasks are created, and cannot start. */
let app: TestApp;
let owner: TestPerson;
let orgId: string;
let projectId: string;
beforeAll(async () => {
  app = await startTestApp();
  owner = await app.person("Ada");
});
afterAll(() => app.close());
beforeEach(async () => {
  orgId = (await makeOrganization(owner)).id;
  projectId = (await makeProjectWith(owner, orgId, { "a.txt": "a\n" })).id;
});

const task = {
  type: "create_task" as const,
  title: "Look",
  body: "{{event.type}} {{event.branch}} {{event.check.name}}: {{event.reason}}{{event.check.log}}",
  preset: "custom" as const,
  command: ["/bin/cat"],
};
const body = (more: Partial<NewAutomation> = {}): NewAutomation => ({
  name: "Look",
  triggers: [{ type: "webhook", signed: false }],
  action: task,
  ...more,
});
const paramsOf = ({ id }: Pick<Automation, "id">) => ({ project_id: projectId, automation_id: id });
const make = async (more: Partial<NewAutomation> = {}, api = owner.api) =>
  (await api.automations.create({ params: { project_id: projectId }, body: body(more) })).data;
const run = async (automation: Automation): Promise<Firing> =>
  (await owner.api.automations.run({ params: paramsOf(automation), body: {} })).data;
const firingsOf = async (automation: Automation): Promise<Firing[]> =>
  (await owner.api.automations.firings({ params: paramsOf(automation) })).data;
const statusOf = async (automation: Automation) =>
  (await owner.api.automations.get({ params: paramsOf(automation) })).data;
const bodyOf = async (firing: Firing | undefined): Promise<string> =>
  (await owner.api.tasks.get({ params: { task_id: firing?.task?.id ?? "" } })).data.body;

test("ten failures in a row pause it", async () => {
  const automation = await make({ limits: { at_once: 100 } });
  const failures = async () =>
    (await firingsOf(automation)).filter(({ decision }) => decision === "failed").length;
  await run(automation);
  await expect.poll(failures).toBe(1);
  await queryAsOwner(
    app,
    `insert into automation_firings
     select (jsonb_populate_record(firing,
       jsonb_build_object('id', gen_random_uuid(), 'event_id', gen_random_uuid()))).*
     from automation_firings firing, generate_series(1, 8) where automation_id = $1`,
    [automation.id],
  );
  expect((await statusOf(automation)).status).toBe("active");
  await run(automation);
  await expect.poll(async () => (await statusOf(automation)).status).toBe("paused");
  expect((await statusOf(automation)).status_reason).toContain("failed 10 times in a row");
});

test("hears of branches, merges, checks and runs", async () => {
  const all = await make({
    triggers: [
      {
        type: "event",
        types: ["branch.updated", "run.failed", "check.failed", "merge.conflicted"],
      },
    ],
    limits: { at_once: 100 },
  });
  const others = await make({
    triggers: [{ type: "event", types: ["branch.updated"] }],
    filter: [{ path: "event.branch", is: "release" }],
  });
  const { agent, workspace } = await makeWorkspace(owner, projectId);
  await commitFiles(owner, workspace, { "b.txt": "b\n" });
  await mergeIntoBase(owner, workspace);
  const { data: leased } = await owner.api.runs.create({
    params: { agent_id: agent.id },
    body: { external: true },
  });
  await owner.api.runs.stop({
    params: { run_id: leased.id },
    body: { status: "failed" },
  });
  await queryAsOwner(
    app,
    `insert into commit_checks (id, org_id, project_id, agent_id, branch, commit_sha, name, definition,
       definition_hash, status) values (gen_random_uuid(), $1, $2, $3, 'main', 'c', 'test', '{}', '', 'running')`,
    [orgId, projectId, agent.id],
  );
  await queryAsOwner(
    app,
    "update commit_checks set status = 'failed', detail = '2 tests failed', ended_at = now() where project_id = $1",
    [projectId],
  );
  const types = async () => (await firingsOf(all)).map(({ type }) => type).toSorted();
  await expect.poll(types).toEqual(["branch.updated", "check.failed", "run.failed"]);
  await expect
    .poll(async () => (await firingsOf(all)).every((firing) => firing.task !== null))
    .toBe(true);
  const of = async (type: string) =>
    bodyOf((await firingsOf(all)).find((firing) => firing.type === type));
  expect(await of("branch.updated")).toContain("branch.updated main");
  expect(await of("check.failed")).toBe("check.failed main test: 2 tests failed");
  expect(await firingsOf(others)).toEqual([]);
});

test("refuses once its tasks have cost what they may", async () => {
  const automation = await make({ limits: { at_once: 100, cost_usd_per_day: 2 } });
  const first = await run(automation);
  expect(first.task).not.toBeNull();
  const { agent } = await makeWorkspace(owner, projectId);
  await queryAsOwner(
    app,
    `insert into task_attempts (id, org_id, task_id, number, agent_id, session_id, preset, launch)
     values (gen_random_uuid(), $1, $2, 99, $3, gen_random_uuid(), 'custom', '{"prompt": ""}')`,
    [orgId, first.task?.id, agent.id],
  );
  const now = new Date().toISOString();
  await insertPaidRun(app, {
    agentId: agent.id,
    from: now,
    to: now,
    startedBy: null,
    costUsd: 2.5,
  });
  expect(await run(automation)).toMatchObject({
    decision: "refused",
    reason: "Its tasks have cost $2.50 today; its limit is $2.00.",
  });
});

test("a pattern that would need backtracking is matched at once", async () => {
  const automation = await make({ filter: [{ path: "event.payload.text", matches: "^(a+)+$" }] });
  const text = `${"a".repeat(15_000)}!`;
  await fetch(automation.webhook?.url as string, {
    method: "POST",
    body: JSON.stringify({ text }),
    headers: { "content-type": "application/json" },
  });
  await expect
    .poll(async () => (await firingsOf(automation)).map(({ reason }) => reason))
    .toEqual(["The filter does not hold."]);
});

test("acts as a service account that may do no more than its owner", async () => {
  const { account } = await makeServiceAccount(app, owner, orgId, { role: "admin" });
  const member = await app.person("Bob");
  await owner.api.members.add({
    params: { org_id: orgId },
    body: { user_id: member.id, role_id: systemRoleIds.member },
  });
  await expectProblem(make({ acts_as: account.id }, member.api), 403, "privilege_escalation");
  const automation = await make({ acts_as: account.id });
  expect(automation.acts_as).toMatchObject({ type: "service_account", id: account.id });
  const { task: made } = await run(automation);
  const { data } = await owner.api.tasks.get({ params: { task_id: made?.id as string } });
  expect(data).toMatchObject({ created_by: { type: "service_account" }, owner: { id: owner.id } });
  // Its owner alone cannot keep a key's automation from ending with the key.
  const { data: key } = await owner.api.apiKeys.create({
    body: { name: "ci", organization_id: orgId },
  });
  const byKey = await make({}, app.client(key.key as string));
  await owner.api.apiKeys.revoke({ params: { key_id: key.id } });
  expect(await run(byKey)).toMatchObject({ decision: "refused" });
  expect(await statusOf(byKey)).toMatchObject({
    status: "paused",
    status_reason: "The API key with which it was saved has ended. Save it again.",
  });
});

test.each([
  ["an unknown name", { action: { ...task, body: "{{event.isue.title}}" } }],
  ["a name of JavaScript", { action: { ...task, body: "{{event.payload.__proto__()}}" } }],
  [
    "a schedule without a time",
    { triggers: [{ type: "schedule", cron: "0 0 30 2 *", timezone: "UTC" }] },
  ],
  [
    "a schedule of seconds",
    { triggers: [{ type: "schedule", cron: "* * * * * *", timezone: "UTC" }] },
  ],
  [
    "an unknown zone",
    { triggers: [{ type: "schedule", cron: "0 7 * * 1", timezone: "Mars/Olympus" }] },
  ],
  ["two addresses", { triggers: [{ type: "webhook" }, { type: "webhook" }] }],
  ["no trigger", { triggers: [] }],
  ["a pattern that RE2 does not know", { filter: [{ path: "event.by", matches: "(?=a)" }] }],
  ["a pattern that repeats too much", { filter: [{ path: "event.by", matches: "(a{30}){30}" }] }],
  ["a condition of two", { filter: [{ path: "event.by", is: "a", contains: "b" }] }],
  ["an unknown value", { filter: [{ path: "secrets.KEY", is: "a" }] }],
  ["a command without its preset", { action: { ...task, preset: undefined } }],
  ["a check that the project lacks", { action: { type: "run_check", name: "test" } }],
  ["an unknown service account", { acts_as: "0190f3a1-7c2e-7e0b-8a4d-2f6c1b9d3e57" }],
] as [string, Partial<NewAutomation>][])("%s is 422", async (_what, more) => {
  await expectProblem(make(more), 422, "validation_failed");
});
