import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import type { NotificationChoice } from "#shared/api/work/notifications.js";
import type { Organization } from "#shared/api/organization/organizations.js";
import type { Agent } from "#shared/api/work/agents.js";
import {
  kindOfEvent,
  notificationKindNames,
  notificationKinds,
} from "#shared/work/notification-kinds.js";
import { systemRoleIds } from "#server/db/migrate.js";
import {
  expectProblem,
  startTestApp,
  type TestApp,
  type TestPerson,
} from "#test/support/server/app.js";
import { makeAgent, makeOrganization, makeProject } from "#test/support/fixtures/factories.js";
import { insertSession } from "#test/support/database/insert-session.js";
import { spendHours } from "#test/support/database/past-runs.js";
import { queryAsOwner } from "#test/support/database/queries.js";
import { mailsTo, waitForMailQueue, type OutboxMail } from "#test/support/mail/outbox.js";
import { startReceiver, type Receiver } from "#test/support/webhooks/receiver.js";
import { checkLimits } from "../../organization/usage/limits/watch-limits.js";
import { dispatchEvents } from "./recipients/dispatch-events.js";

let app: TestApp;
let ada: TestPerson;
let bob: TestPerson;
let org: Organization;
let agent: Agent;
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
  const project = await makeProject(ada, org.id);
  agent = await makeAgent(ada, project.id);
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
const failRun = async (person = ada, agent_id = agent.id): Promise<string> => {
  const { data } = await person.api.runs.create({
    params: { agent_id },
    body: { external: true },
  });
  await person.api.runs.stop({ params: { run_id: data.id }, body: { status: "failed" } });
  return data.id;
};
const setWebhook = async (person = ada) => {
  const { data } = await person.api.notifications.setWebhook({ body: { url: receiver.url } });
  receiver.secret = data.secret as string;
  return data;
};
const choose = (person: TestPerson, choices: NotificationChoice[]) =>
  person.api.notifications.set({ body: { choices } });
const all = (kind: NotificationChoice["kind"]): NotificationChoice => ({
  kind,
  email: true,
  webhook: true,
  scope: "all",
});
const mailsOf = async ({ email }: TestPerson): Promise<OutboxMail[]> => {
  await waitForMailQueue(app);
  // The confirmation of the address.
  return (await mailsTo(app, email)).filter(({ text }) => text.includes("/settings/notifications"));
};
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

describe("the settings", () => {
  test("begin with defaults, and differ by organization", async () => {
    const { data } = await ada.api.notifications.get();
    expect(data.choices.map(({ kind }) => kind)).toEqual(notificationKindNames);
    expect(data.email).toEqual({ address: ada.email, is_verified: true, is_sent: false });
    expect(data.webhook).toBeNull();
    expect(data.organizations).toEqual([
      { id: org.id, name: org.name, slug: org.slug, choices: null },
    ]);
    const none = { kind: "run_failed", email: false, webhook: false, scope: "own" } as const;
    await choose(ada, [none]);
    await ada.api.notifications.setForOrganization({
      params: { org_id: org.slug },
      body: { choices: [all("run_failed")] },
    });
    const { data: changed } = await ada.api.notifications.get();
    expect(changed.choices[0]).toEqual(none);
    expect(changed.choices[1]).toEqual(data.choices[1]);
    expect(changed.organizations[0]?.choices?.[0]).toEqual(all("run_failed"));
    await ada.api.notifications.resetForOrganization({ params: params() });
    expect((await ada.api.notifications.get()).data.organizations[0]?.choices).toBeNull();
  });

  test("name organizations of the person only", async () => {
    const stranger = await app.person("stranger");
    const call = { params: params(), body: { choices: [] } };
    await expectProblem(stranger.api.notifications.setForOrganization(call), 404, "not_found");
    await expectProblem(
      stranger.api.notifications.resetForOrganization({ params: params() }),
      404,
      "not_found",
    );
    expect((await stranger.api.notifications.get()).data.organizations).toEqual([]);
    const twice = choose(ada, [all("conflict"), all("conflict")]);
    await expectProblem(twice, 422, "validation_failed");
  });

  test("belong to a person, not to an agent or a key with fewer scopes", async () => {
    const scoped = await ada.api.apiKeys.create({
      body: { name: "scoped", organization_id: org.id },
    });
    const own = await ada.api.apiKeys.create({ body: { name: "agent", agent_id: agent.id } });
    for (const { data } of [scoped, own]) {
      const { notifications } = app.client(data.key as string);
      for (const call of [
        () => notifications.get(),
        () => notifications.set({ body: { choices: [] } }),
        () => notifications.setForOrganization({ params: params(), body: { choices: [] } }),
        () => notifications.resetForOrganization({ params: params() }),
        () => notifications.getWebhook(),
        () => notifications.setWebhook({ body: { url: receiver.url } }),
        () => notifications.deleteWebhook(),
        () => notifications.testWebhook(),
        () => notifications.deliveries({ query: {} }),
      ]) {
        await expectProblem(call(), 403, "insufficient_permission");
      }
    }
  });

  test("are limited by If-Match", async () => {
    const { headers } = await ada.api.notifications.get();
    await choose(ada, [all("conflict")]);
    const stale = ada.api.notifications.set(
      { body: { choices: [] } },
      { headers: { "if-match": headers.get("etag") as string } },
    );
    await expectProblem(stale, 412, "stale");
  });
});

describe("a person's webhook", () => {
  test("is set with a secret, tested, replaced and deleted", async () => {
    await expectProblem(ada.api.notifications.getWebhook(), 404, "not_found");
    await expectProblem(ada.api.notifications.testWebhook(), 404, "not_found");
    await expectProblem(ada.api.notifications.deleteWebhook(), 404, "not_found");
    const known = ada.api.notifications.setWebhook(
      { body: { url: receiver.url } },
      { headers: { "if-match": "*" } },
    );
    await expectProblem(known, 412, "stale");
    const { secret, ...shown } = await setWebhook();
    expect(secret).toMatch(/^whsec_/);
    expect((await ada.api.notifications.getWebhook()).data).toEqual(shown);
    const { data: sent } = await ada.api.notifications.testWebhook();
    expect(sent).toMatchObject({
      channel: "webhook",
      type: "notification.test",
      kind: null,
      status: "delivered",
      response_status: 204,
    });
    expect(receiver.received).toMatchObject([
      { id: sent.notification_id, isVerified: true, payload: { type: "notification.test" } },
    ]);
    const again = await setWebhook();
    expect(again.secret).not.toBe(secret);
    expect((await ada.api.notifications.testWebhook()).data.status).toBe("delivered");
    expect(receiver.received.at(-1)?.isVerified).toBe(true);
    await ada.api.notifications.deleteWebhook();
    expect((await ada.api.notifications.get()).data.webhook).toBeNull();
    expect(await listed(ada)).toEqual([]);
  });

  test("needs an address that the server may reach", async () => {
    for (const url of ["ftp://8.8.8.8/hook", "http://169.254.169.254/", "no address"]) {
      const problem = await expectProblem(
        ada.api.notifications.setWebhook({ body: { url } }),
        422,
        "validation_failed",
      );
      expect(problem.errors?.[0]?.loc).toEqual(["body", "url"]);
    }
  });

  test("is disabled after a 410 and enabled by its next address", async () => {
    await setWebhook();
    receiver.respond = (response) => void response.writeHead(410).end();
    await failRun();
    await vi.waitFor(async () => {
      const { data } = await ada.api.notifications.getWebhook();
      expect(data).toMatchObject({ enabled: false, disabled_reason: "gone" });
    }, within);
    await vi.waitFor(async () => {
      const mails = await mailsOf(ada);
      expect(mails.map(({ subject }) => subject)).toContain("Your webhook was disabled (Omoi)");
    }, within);
    expect(await setWebhook()).toMatchObject({ enabled: true, disabled_reason: null });
  });
});

describe("notifications", () => {
  test("of a failed run reach the person who started it, by email and webhook", async () => {
    await setWebhook();
    const run = await failRun();
    await untilDispatched();
    expect(receiver.received).toHaveLength(1);
    expect(receiver.received[0]).toMatchObject({
      isVerified: true,
      payload: {
        type: "run.failed",
        data: {
          organization_id: org.id,
          subject: { type: "run", id: run },
          notification: {
            kind: "run_failed",
            organization: { id: org.id, name: org.name },
            text: `A run of agent “${agent.name}” failed`,
            url: expect.stringMatching(`/agents/${agent.id}/runs/${run}$`) as string,
          },
        },
      },
    });
    const [mail, ...others] = await mailsOf(ada);
    expect(others).toEqual([]);
    expect(mail?.subject).toBe(`A run of agent “${agent.name}” failed (Omoi)`);
    expect(mail?.text).toContain(`/agents/${agent.id}/runs/${run}\n`);
    expect(await mailsOf(bob)).toEqual([]);
    expect((await listed(ada)).map(({ channel, status }) => [channel, status])).toEqual(
      expect.arrayContaining([
        ["email", "delivered"],
        ["webhook", "delivered"],
      ]),
    );
  });

  test("of work that an agent's key started reach its creator, and all work on request", async () => {
    const { data } = await ada.api.apiKeys.create({ body: { name: "a", agent_id: agent.id } });
    await choose(bob, [{ ...all("run_failed"), webhook: false }]);
    await failRun({ ...ada, api: app.client(data.key as string) });
    await untilDispatched();
    expect(await mailsOf(ada)).toHaveLength(1);
    expect(await mailsOf(bob)).toHaveLength(1);
  });

  test("need a confirmed address, and what was chosen", async () => {
    await queryAsOwner(app, "update users set is_verified = false where id = $1", [ada.id]);
    await choose(bob, [{ ...all("run_failed"), email: false }]);
    await failRun();
    await failRun(bob);
    await untilDispatched();
    expect(await mailsOf(ada)).toEqual([]);
    expect(await mailsOf(bob)).toEqual([]);
  });

  test("quote names, which become neither lines, headers nor links", async () => {
    await insertSession(app, randomUUID(), agent.id);
    await queryAsOwner(
      app,
      `update agent_sessions set title = $2, created_by = $3, status = 'waiting_for_permission'
      where agent_id = $1`,
      [
        agent.id,
        "Hi\r\nBcc: eve@example.com\n\n<b>Click</b> https://evil.example/ \u202e",
        { type: "user", id: ada.id, name: "Ada" },
      ],
    );
    await untilDispatched();
    const [mail] = await mailsOf(ada);
    expect(mail?.subject).toContain("waits for a decision about a permission");
    expect(mail?.text).not.toMatch(/^Bcc/m);
    expect(mail?.text).not.toContain("https://evil");
    expect(mail?.text).not.toContain("\u202e");
  });

  test("of a session end with the wait", async () => {
    await insertSession(app, randomUUID(), agent.id);
    const by = { type: "user", id: ada.id, name: "Ada" };
    const set = (status: string) =>
      queryAsOwner(
        app,
        "update agent_sessions set status = $2, created_by = $3 where agent_id = $1",
        [agent.id, status, by],
      );
    await set("waiting_for_permission");
    await set("working");
    await untilDispatched();
    expect(await mailsOf(ada)).toEqual([]);
    expect(await listed(ada)).toMatchObject([
      { status: "skipped", error: "It was over before it was sent." },
    ]);
  });

  test("of a member who has left are not sent, whenever the event happened", async () => {
    await choose(bob, [all("run_failed")]);
    await setWebhook(bob);
    const { data: members } = await ada.api.members.list({ params: params(), query: {} });
    const member_id = members.find(({ user_id }) => user_id === bob.id)?.id as string;
    let removed = false;
    await Promise.all([
      failRun(),
      ada.api.members.remove({ params: { ...params(), member_id } }).then(() => (removed = true)),
    ]);
    expect(removed).toBe(true);
    const before = receiver.received.length;
    await failRun();
    await untilDispatched();
    // An attempt may have been under way when the member was removed; no other begins.
    expect(receiver.received.length).toBeLessThanOrEqual(Math.max(before, 1));
    expect(await mailsOf(bob)).toEqual([]);
    for (const { text, organization } of await listed(bob)) {
      expect([text, organization]).toEqual([null, null]);
    }
    expect((await bob.api.notifications.get()).data.organizations).toEqual([]);
  });

  test("of a subject that a member may no longer read are not sent", async () => {
    await choose(bob, [all("run_failed")]);
    const { data: role } = await ada.api.roles.create({
      params: params(),
      body: { name: "outside", permissions: ["org:read"] },
    });
    const { data: members } = await ada.api.members.list({ params: params(), query: {} });
    const member_id = members.find(({ user_id }) => user_id === bob.id)?.id as string;
    await failRun();
    // The member is a recipient by then; the email waits for a second.
    await dispatchEvents(app.db);
    await ada.api.members.update({
      params: { ...params(), member_id },
      body: { role_id: role.id },
    });
    await untilDispatched();
    expect(await mailsOf(bob)).toEqual([]);
    expect(await listed(bob)).toMatchObject([{ status: "skipped", text: null }]);
  });
});

describe("limits", () => {
  const check = () => checkLimits(app.db, new Date(Date.now() - 60_000));
  const limitEvents = async () =>
    (
      await queryAsOwner<{ type: string; data: { limit: { name: string } } }>(
        app,
        "select type, data from events where org_id = $1 and type like 'limit.%' order by number",
        [org.id],
      )
    ).map(({ type, data }) => `${type} ${data.limit.name}`);
  const spend = (tokens: number) =>
    queryAsOwner(
      app,
      `insert into model_spending as m (org_id, owner_id, month, tokens, cost_nanousd)
      values ($1, $1, date_trunc('month', now() at time zone 'UTC')::date, $2, 0)
      on conflict (owner_id, month) do update set tokens = $2`,
      [org.id, tokens],
    );

  test("of budgets are announced at 80 % and 100 %, once, and again after a fall", async () => {
    await ada.api.organizations.update({ params: params(), body: { max_model_tokens: 1000 } });
    await spend(799);
    await check();
    expect(await limitEvents()).toEqual([]);
    await spend(800);
    await Promise.all([check(), check(), check()]);
    expect(await limitEvents()).toEqual(["limit.near model_tokens"]);
    await spend(1000);
    await check();
    await check();
    expect(await limitEvents()).toHaveLength(2);
    // Notifications that are made together are listed in no order.
    await untilDispatched();
    await spend(0);
    await check();
    await spend(900);
    await check();
    expect(await limitEvents()).toEqual([
      "limit.near model_tokens",
      "limit.reached model_tokens",
      "limit.near model_tokens",
    ]);
    await untilDispatched();
    expect(await mailsOf(ada)).not.toEqual([]);
    expect((await listed(ada))[0]?.text).toBe(
      `80 % of the monthly model tokens of organization “${org.name}” is used: 900 of 1000`,
    );
    // An admin may change limits as well.
    expect((await listed(bob)).length).toBe((await listed(ada)).length);
  });

  test("of run hours and concurrent agents are announced", async () => {
    await ada.api.organizations.update({
      params: params(),
      body: { max_agent_runtime_hours: 10, max_concurrent_agents: 5 },
    });
    await spendHours(app, agent.id, 9);
    await check();
    expect(await limitEvents()).toEqual(["limit.near runtime_hours"]);
    await ada.api.organizations.update({
      params: params(),
      body: { max_agent_runtime_hours: 100 },
    });
    await check();
    await ada.api.organizations.update({ params: params(), body: { max_agent_runtime_hours: 9 } });
    await check();
    expect(await limitEvents()).toEqual([
      "limit.near runtime_hours",
      "limit.reached runtime_hours",
    ]);
    const others = await Promise.all(
      Array.from({ length: 4 }, () => makeAgent(ada, agent.project_id)),
    );
    await queryAsOwner(
      app,
      `insert into runs (id, org_id, agent_id, kind, status, started_at, lease_expires_at)
      select gen_random_uuid(), $1, unnest($2::uuid[]), 'leased', 'running', now(), now() + interval '1 hour'`,
      [org.id, others.map(({ id }) => id)],
    );
    await check();
    expect(await limitEvents()).toHaveLength(3);
    expect((await limitEvents()).at(-1)).toBe("limit.near concurrent_agents");
  });
});

test("the events of kinds are those that the trigger queues", async () => {
  const triggers = await queryAsOwner<{ text: string }>(
    app,
    "select pg_get_triggerdef(oid) as text from pg_trigger where tgfoid = 'queue_notification'::regproc",
  );
  const queued = triggers.flatMap(({ text }) =>
    [...text.matchAll(/'([a-z_]+\.[a-z_]+)'/g)].map(([, name]) => name as string),
  );
  const events = notificationKindNames.flatMap((kind): string[] => [
    ...notificationKinds[kind].events,
  ]);
  expect(queued.toSorted()).toEqual(events.toSorted());
  expect(kindOfEvent("run.succeeded")).toBeUndefined();
});
