// Thorough: a burst over several processes, and notices that wait for starts of servers.
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import type { NotificationChoice } from "#shared/api/work/notifications.js";
import type { Organization } from "#shared/api/organization/organizations.js";
import { systemRoleIds } from "#server/db/migrate.js";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import { makeAgent, makeOrganization, makeProject } from "#test/support/fixtures/factories.js";
import { queryAsOwner } from "#test/support/database/queries.js";
import { mailsTo, waitForMailQueue } from "#test/support/mail/outbox.js";
import { startReceiver, type Receiver } from "#test/support/webhooks/receiver.js";

let app: TestApp;
let ada: TestPerson;
let bob: TestPerson;
let org: Organization;
let receiver: Receiver;
beforeAll(async () => {
  app = await startTestApp({
    OMOI_WEBHOOK_PRIVATE_HOSTS: "true",
    OMOI_NOTIFICATION_DELAY_SECONDS: "1",
  });
});
beforeEach(async () => {
  // Resets the limit of new accounts per hour.
  await queryAsOwner(app, "delete from rate_limits");
  ada = await verifiedPerson("ada");
  bob = await verifiedPerson("bob");
  org = await makeOrganization(ada);
  await join(bob, systemRoleIds.admin);
  receiver = await startReceiver();
  return () => receiver.close();
});
afterAll(() => app.close());

const within = { timeout: 120_000, interval: 50 };
const params = () => ({ org_id: org.id });

async function verifiedPerson(name: string): Promise<TestPerson> {
  const person = await app.person(name);
  await queryAsOwner(app, "update users set is_verified = true where id = $1", [person.id]);
  return person;
}
const join = (person: TestPerson, role_id: string) =>
  ada.api.members.add({ params: params(), body: { user_id: person.id, role_id } });
const choose = (person: TestPerson, choices: NotificationChoice[]) =>
  person.api.notifications.set({ body: { choices } });
const all = (kind: NotificationChoice["kind"]): NotificationChoice => ({
  kind,
  email: true,
  webhook: true,
  scope: "all",
});
/** Waits until every event has its notifications, and all of them are sent. */
const untilDispatched = () =>
  vi.waitFor(async () => {
    const [left] = await queryAsOwner(
      app,
      `select (select count(*)::int from notification_queue) as events,
        (select count(*)::int from notification_deliveries where status = 'pending') as deliveries`,
    );
    expect(left).toEqual({ events: 0, deliveries: 0 });
  }, within);
const listed = async (person: TestPerson) =>
  (await person.api.notifications.deliveries({ query: {} })).data;

describe("notifications", () => {
  test("of others' keys and of a person's own are two kinds of knowledge", async () => {
    await choose(bob, [all("key_expiring")]);
    const make = async (name: string, body: object) =>
      (await ada.api.apiKeys.create({ body: { name, expires_in_days: 30, ...body } })).data.id;
    const scoped = await make("scoped", { organization_id: org.id });
    const full = await make("private", {});
    const ends = (days: number) =>
      queryAsOwner(
        app,
        `update api_keys set expires_at = now() + make_interval(days => $2, hours => -1),
          created_at = now() - interval '25 days' where id = any($1)`,
        [[scoped, full], days],
      );
    for (const days of [7, 1]) {
      await ends(days);
      const sibling = await app.sibling();
      await untilDispatched();
      await sibling.close();
    }
    const textsOf = async (person: TestPerson) =>
      (await listed(person)).map(({ text }) => String(text).replace(/ expires.*/, ""));
    expect((await textsOf(ada)).toSorted()).toEqual([
      "Your API key “private”",
      "Your API key “private”",
      "Your API key “scoped”",
      "Your API key “scoped”",
    ]);
    expect(await textsOf(bob)).toEqual(["The API key “scoped”", "The API key “scoped”"]);
  });
});

test("a burst is one email, which names some and counts the rest, with several processes", async () => {
  const slow = await startTestApp({ OMOI_NOTIFICATION_DELAY_SECONDS: "15" });
  const siblings = await Promise.all([slow.sibling(), slow.sibling()]);
  try {
    const person = await slow.person("ada");
    await queryAsOwner(slow, "update users set is_verified = true where id = $1", [person.id]);
    const its = await makeOrganization(person);
    const worker = await makeAgent(person, (await makeProject(person, its.id)).id);
    await queryAsOwner(
      slow,
      `insert into runs (id, org_id, agent_id, kind, status, started_at, ended_at, started_by)
      select gen_random_uuid(), $1, $2, 'leased', 'failed', now(), now(),
        jsonb_build_object('type', 'user', 'id', $3::text, 'name', 'Ada') from generate_series(1, 1000)`,
      [its.id, worker.id, person.id],
    );
    const sent = async () =>
      (await mailsTo(slow, person.email)).filter(({ subject }) => subject.includes("failed runs"));
    await vi.waitFor(async () => expect(await sent()).not.toEqual([]), {
      timeout: 120_000,
      interval: 200,
    });
    const left = "select id from notification_deliveries where status <> 'delivered'";
    await vi.waitFor(async () => expect(await queryAsOwner(slow, left)).toEqual([]), within);
    await waitForMailQueue(slow);
    const [mail, ...others] = await sent();
    expect(others).toEqual([]);
    expect(mail?.subject).toBe("1000 notifications: failed runs (1000) (Omoi)");
    expect(mail?.text.match(/^- A run/gm)).toHaveLength(20);
    expect(mail?.text).toContain("and 980 more");
  } finally {
    await Promise.all([...siblings, slow].map((sibling) => sibling.close()));
  }
});
