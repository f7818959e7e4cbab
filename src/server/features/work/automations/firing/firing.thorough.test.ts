// Thorough: twenty firings one after another.
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import type { Automation, Firing, NewAutomation } from "#shared/api/work/automations.js";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import { makeOrganization, makeProjectWith } from "#test/support/fixtures/factories.js";
import { queryAsOwner } from "#test/support/database/queries.js";

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

test("ten failures in a row pause it, and its owner is notified", async () => {
  const automation = await make({ limits: { at_once: 100 } });
  for (let count = 1; count <= 10; count += 1) {
    expect((await statusOf(automation)).status).toBe("active");
    await run(automation);
    await expect
      .poll(async () =>
        (await firingsOf(automation)).filter(({ decision }) => decision === "failed"),
      )
      .toHaveLength(count);
  }
  await expect.poll(async () => (await statusOf(automation)).status).toBe("paused");
  expect((await statusOf(automation)).status_reason).toContain("failed 10 times in a row");
  const notified = () =>
    queryAsOwner<{ user_id: string; data: { automation: { reason: string } } }>(
      app,
      "select user_id, data from notifications where kind = 'automation_paused' and org_id = $1",
      [orgId],
    );
  await queryAsOwner(app, "update users set is_verified = true where id = $1", [owner.id]);
  // Only a confirmed address is notified: a second automation tells of it.
  const second = await make({ limits: { at_once: 100 } });
  for (let count = 1; count <= 10; count += 1) await run(second);
  await expect.poll(async () => (await statusOf(second)).status).toBe("paused");
  await expect.poll(async () => (await notified()).length).toBeGreaterThan(0);
  expect((await notified())[0]).toMatchObject({ user_id: owner.id });
  // Resumed, it counts anew.
  await owner.api.automations.update({ params: paramsOf(automation), body: { status: "active" } });
  await run(automation);
  expect((await statusOf(automation)).status).toBe("active");
});
