import { afterAll, beforeAll, expect, test } from "vitest";
import type { Automation, Firing, NewAutomation } from "#shared/api/work/automations.js";
import { queryAsOwner } from "#test/support/database/queries.js";
import { makeOrganization, makeProject } from "#test/support/fixtures/factories.js";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";

/** Without a sandbox: tasks are created, and cannot start. */
let app: TestApp;
let owner: TestPerson;
beforeAll(async () => {
  app = await startTestApp();
  owner = await app.person("Ada");
});
afterAll(() => app.close());

const makeOwn = async (): Promise<string> =>
  (await makeProject(owner, (await makeOrganization(owner)).id)).id;
const make = async (projectId: string, more: Partial<NewAutomation> = {}): Promise<Automation> => {
  const body: NewAutomation = {
    name: "Nightly",
    triggers: [{ type: "schedule", cron: "0 3 * * *", timezone: "Europe/Berlin" }],
    action: {
      type: "create_task",
      title: "Look",
      body: "Look at {{project.name}}",
      preset: "custom",
      command: ["/bin/cat"],
    },
    ...more,
  };
  return (await owner.api.automations.create({ params: { project_id: projectId }, body })).data;
};
/** Copies an automation, and has all of its project due at once. */
async function dueAtOnce(projectId: string, copies: number): Promise<void> {
  const { id } = await make(projectId);
  await queryAsOwner(
    app,
    `insert into automations (id, org_id, project_id, name, status, triggers, event_types, filter, action, owner_id,
       origin, per_day, at_once, overlap, next_at)
     select gen_random_uuid(), org_id, project_id, name || ' ' || n, status, triggers, event_types, filter, action,
       owner_id, origin, per_day, at_once, overlap, next_at
     from automations cross join generate_series(2, $2::int) n where id = $1`,
    [id, copies],
  );
}
const count = async (text: string, projectIds: string[]): Promise<number> =>
  (await queryAsOwner<{ count: number }>(app, text, [projectIds]))[0]?.count ?? -1;
const firingsOf = async ({ id, project_id }: Automation): Promise<Firing[]> =>
  (await owner.api.automations.firings({ params: { project_id, automation_id: id } })).data;
/** Adds events that all wait at once. */
const addEvents = ({ id }: Automation, events: number) =>
  queryAsOwner(
    app,
    `insert into automation_firings (id, org_id, project_id, automation_id, event_id, type, event)
     select gen_random_uuid(), org_id, project_id, id, 'event ' || n, 'webhook',
       '{"trust": "untrusted", "by": null, "values": {}}'
     from automations cross join generate_series(1, $2::int) n where id = $1`,
    [id, events],
  );
const decisionsOf = async (automation: Automation): Promise<string[]> =>
  (await firingsOf(automation)).map(({ decision }) => decision).toSorted();

test("many automations of two organizations that are due at once fire once each", async () => {
  const [busy, other] = [await makeOwn(), await makeOwn()];
  await dueAtOnce(busy, 130);
  await dueAtOnce(other, 3);
  const projects = [busy, other];
  await queryAsOwner(
    app,
    "update automations set next_at = now() - interval '1 minute' where project_id = any($1::uuid[])",
    [projects],
  );
  const fired =
    "select count(*)::int from automation_firings where task_id is not null and project_id = any($1::uuid[])";
  await expect.poll(() => count(fired, projects)).toBe(133);
  const tasks = "select count(distinct number)::int from tasks where project_id = any($1::uuid[])";
  expect([await count(tasks, [busy]), await count(tasks, [other])]).toEqual([130, 3]);
  const pairs =
    "select count(distinct (automation_id, task_id))::int from automation_firings where project_id = any($1::uuid[])";
  expect(await count(pairs, projects)).toBe(133);
  const audited =
    "select count(*)::int from audit_events where action = 'task.created' and changes #>> '{project_id,to}' = any($1::text[])";
  expect(await count(audited, projects)).toBe(133);
  const { data: theirs } = await owner.api.tasks.list({
    params: { project_id: other },
    query: {},
  });
  expect(theirs.map(({ body }) => body.startsWith("Look at "))).toEqual([true, true, true]);
});

test("those that are deleted meanwhile leave nothing, and the others fire", async () => {
  const project = await makeOwn();
  await dueAtOnce(project, 60);
  const { data } = await owner.api.automations.list({
    params: { project_id: project },
    query: { limit: 20 },
  });
  await queryAsOwner(
    app,
    "update automations set next_at = now() - interval '1 minute' where project_id = $1",
    [project],
  );
  for (const { id } of data) {
    const params = { project_id: project, automation_id: id };
    await owner.api.automations.delete({ params });
  }
  const left = "select count(*)::int from automation_firings where project_id = any($1::uuid[])";
  const open = `${left} and decision = 'pending'`;
  await expect.poll(() => count(left, [project])).toBe(40);
  await expect.poll(() => count(open, [project])).toBe(0);
});

test("the limits of one automation hold for events that are decided together", async () => {
  const project = await makeOwn();
  const more: Partial<NewAutomation> = { triggers: [{ type: "webhook", signed: false }] };
  const daily = await make(project, { ...more, limits: { per_day: 2, at_once: 1000 } });
  await addEvents(daily, 6);
  await expect
    .poll(() => decisionsOf(daily))
    .toEqual(["fired", "fired", "refused", "refused", "refused", "refused"]);
  const refused = (await firingsOf(daily)).filter(({ decision }) => decision === "refused");
  expect(new Set(refused.map(({ reason }) => reason))).toEqual(
    new Set(["It has fired 2 times today, which is its limit."]),
  );
  const skipping = await make(project, { ...more, overlap: "skip", limits: { at_once: 2 } });
  await addEvents(skipping, 4);
  await expect.poll(() => decisionsOf(skipping)).toEqual(["fired", "fired", "skipped", "skipped"]);
});
