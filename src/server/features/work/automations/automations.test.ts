import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Automation, Firing, NewAutomation } from "#shared/api/work/automations.js";
import {
  expectProblem,
  startTestApp,
  type TestApp,
  type TestPerson,
} from "#test/support/server/app.js";
import { acpAgent } from "#test/support/fixtures/acp-agent.js";
import { makeTaskProject, type TaskProject } from "#test/support/fixtures/tasks.js";
import { queryAsOwner } from "#test/support/database/queries.js";
import { systemRoleIds } from "#server/db/migrate.js";

let app: TestApp;
let owner: TestPerson;
let world: TaskProject;

beforeAll(async () => {
  app = await startTestApp({ OMOI_SANDBOX: "required", OMOI_RUN_STOP_GRACE_SECONDS: "1" }, "real");
  owner = await app.person("Ada");
});
afterAll(() => app.close());
beforeEach(async () => {
  world = await makeTaskProject(owner);
});

const projectParams = () => ({ project_id: world.project.id });
const paramsOf = ({ id }: Pick<Automation, "id">) => ({ ...projectParams(), automation_id: id });
const hello = {
  type: "create_task",
  title: "Say hello",
  body: "say Hello?",
  preset: "custom",
  command: acpAgent("load"),
} as const;

async function make(more: Partial<NewAutomation>, person = owner) {
  const { data } = await person.api.automations.create({
    params: projectParams(),
    body: {
      name: "Nightly",
      triggers: [{ type: "schedule", cron: "0 3 * * *", timezone: "Europe/Berlin" }],
      action: hello,
      ...more,
    },
  });
  return data;
}
async function firingsOf(automation: Pick<Automation, "id">): Promise<Firing[]> {
  const { data } = await owner.api.automations.firings({ params: paramsOf(automation) });
  return data;
}
const run = async (automation: Automation): Promise<Firing> =>
  (await owner.api.automations.run({ params: paramsOf(automation), body: {} })).data;
/** Lets a schedule have been due at a time. */
const setDue = (automation: Automation, ago: string): Promise<unknown> =>
  queryAsOwner(app, `update automations set next_at = now() - $2::interval where id = $1`, [
    automation.id,
    ago,
  ]);
async function untilDecided(automation: Automation, count = 1): Promise<Firing[]> {
  await expect
    .poll(async () => (await firingsOf(automation)).filter(({ decided_at }) => decided_at !== null))
    .toHaveLength(count);
  return firingsOf(automation);
}

describe("an automation", () => {
  test("is created, listed, changed and deleted", async () => {
    const created = await make({});
    expect(created).toMatchObject({
      status: "active",
      owner: { type: "user", id: owner.id },
      acts_as: { type: "user", id: owner.id },
      limits: { per_day: 50, at_once: 1, cost_usd_per_day: null },
      overlap: "skip",
      webhook: null,
    });
    expect(created.next).toHaveLength(5);
    expect(created.next_at).toBe(created.next[0]);
    const { data: listed } = await owner.api.automations.list({ params: projectParams() });
    expect(listed.map(({ id }) => id)).toEqual([created.id]);
    const { data: paused } = await owner.api.automations.update({
      params: paramsOf(created),
      body: { status: "paused", limits: { cost_usd_per_day: 5 } },
    });
    expect(paused).toMatchObject({
      status: "paused",
      next_at: null,
      limits: { cost_usd_per_day: 5 },
    });
    await expectProblem(
      owner.api.automations.run({ params: paramsOf(created), body: {} }),
      409,
      "automation_paused",
    );
    await owner.api.automations.delete({ params: paramsOf(created) });
    await expectProblem(owner.api.automations.get({ params: paramsOf(created) }), 404, "not_found");
  });

  test("fires by hand, as its owner", async () => {
    const automation = await make({});
    const firing = await run(automation);
    expect(firing).toMatchObject({ decision: "fired", reason: null, by: "Ada", type: "manual" });
    const task = await world.until(firing.task?.id as string, "needs_you");
    expect(task).toMatchObject({
      title: "Say hello",
      source: { kind: "automation", id: automation.id },
      owner: { id: owner.id },
    });
  });

  test("fires once for a time that passed while no server ran, late", async () => {
    const automation = await make({});
    await setDue(automation, "3 days");
    const [firing, ...more] = await untilDecided(automation);
    expect(more).toEqual([]);
    expect(firing).toMatchObject({ type: "schedule", decision: "fired" });
    const { data: after } = await owner.api.automations.get({ params: paramsOf(automation) });
    expect(Date.parse(after.next_at as string)).toBeGreaterThan(Date.now());
    expect(after.last_fired_at).not.toBeNull();
  });

  test("keeps its limit a day", async () => {
    const automation = await make({ limits: { per_day: 1, at_once: 5 } });
    expect((await run(automation)).decision).toBe("fired");
    expect(await run(automation)).toMatchObject({
      decision: "refused",
      reason: "It has fired once today, which is its limit.",
    });
  });

  test("skips while its last task runs", async () => {
    const automation = await make({ action: { ...hello, body: "wait" } });
    expect((await run(automation)).decision).toBe("fired");
    expect(await run(automation)).toMatchObject({
      decision: "skipped",
      reason: "The last one still runs.",
    });
  });

  test("prompts the task that is done", async () => {
    const automation = await make({
      name: "Again",
      triggers: [{ type: "event", types: ["task.done"] }],
      action: { type: "prompt_task", text: "say Again {{task.title}}?" },
    });
    const task = await world.create("say Hello?");
    await world.until(task.id, "needs_you");
    await owner.api.tasks.update({ params: { task_id: task.id }, body: { status: "done" } });
    const [firing] = await untilDecided(automation);
    expect(firing).toMatchObject({ decision: "fired", chain: 1, task: { id: task.id } });
  });

  test("is paused once its owner has left", async () => {
    const member = await app.person("Bob");
    const { data: added } = await owner.api.members.add({
      params: { org_id: world.orgId },
      body: { user_id: member.id, role_id: systemRoleIds.member },
    });
    const automation = await make({}, member);
    await owner.api.members.remove({ params: { org_id: world.orgId, member_id: added.id } });
    const { data: paused } = await owner.api.automations.get({ params: paramsOf(automation) });
    expect(paused).toMatchObject({ status: "paused", acts_as: null });
    expect(paused.status_reason).toContain("no longer a member");
    const { data: taken } = await owner.api.automations.update({
      params: paramsOf(automation),
      body: { status: "active" },
    });
    expect(taken).toMatchObject({ status: "active", status_reason: null, owner: { id: owner.id } });
  });
});
