import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import type { Organization } from "#shared/api/organization/organizations.js";
import type { Webhook } from "#shared/api/operation/webhooks.js";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import { makeOrganization } from "#test/support/fixtures/factories.js";
import { queryAsOwner } from "#test/support/database/queries.js";
import { mailsTo } from "#test/support/mail/outbox.js";
import { answer, startReceiver, type Receiver } from "#test/support/webhooks/receiver.js";
import { listBacklogs } from "./attempts.queries.js";
import { disableWebhook } from "./organization-queue.js";
import { expireEvents } from "./start-deliveries.js";

let app: TestApp;
let owner: TestPerson;
let org: Organization;
let receiver: Receiver;
beforeAll(async () => {
  app = await startTestApp({ OMOI_WEBHOOK_PRIVATE_HOSTS: "true" });
  owner = await app.person("ada");
});
beforeEach(async () => {
  org = await makeOrganization(owner);
  receiver = await startReceiver();
  return () => receiver.close();
});
afterAll(() => app.close());

const within = { timeout: 120_000, interval: 50 };
const subjects = ["role.created", "role.updated"];

const createIn = async (its: Organization, to: Receiver): Promise<Webhook> => {
  const body = { url: to.url, events: subjects };
  const { data } = await owner.api.webhooks.create({ params: { org_id: its.id }, body });
  to.secret = data.secret as string;
  return data;
};
const create = () => createIn(org, receiver);
const makeRole = async (name: string, its = org): Promise<string> => {
  const body = { name, permissions: ["org:read"] };
  return (await owner.api.roles.create({ params: { org_id: its.id }, body })).data.id;
};
const changeRole = async (role_id: string, description: string): Promise<void> => {
  const params = { org_id: org.id, role_id };
  await owner.api.roles.update({ params, body: { description } });
};
const webhookParams = ({ id }: Webhook) => ({ org_id: org.id, webhook_id: id });
const deliveriesOf = async (webhook: Webhook) =>
  (await owner.api.webhooks.deliveries({ params: webhookParams(webhook), query: {} })).data;
const read = async (webhook: Webhook) =>
  (await owner.api.webhooks.get({ params: webhookParams(webhook) })).data;
/** Lets all waiting deliveries be due, as if time had passed. */
const passTime = (): Promise<unknown> =>
  queryAsOwner(
    app,
    // As for a new event; otherwise they wait for the next sweep, every five seconds.
    `with due as (
       update webhook_deliveries set next_attempt_at = now()
       where status = 'pending' and duration_ms is not null returning org_id, webhook_id)
     select pg_notify('omoi_changes', format('webhook_deliveries %s %s', org_id, webhook_id))
     from (select distinct org_id, webhook_id from due) d`,
  );

describe("a receiver", () => {
  test.each([
    [
      "redirects",
      answer(302, "", { location: "http://127.0.0.1:1/elsewhere" }),
      "The receiver answered with a redirect (302), which is not followed.",
    ],
    ["fails", answer(500, "broken"), "The receiver answered with status 500."],
    [
      "cuts the connection off",
      (response: Parameters<Receiver["respond"]>[0]) => response.destroy(),
      "The receiver was not reached: ECONNRESET.",
    ],
    [
      "changes the protocol",
      (response: Parameters<Receiver["respond"]>[0]) => {
        response.socket?.end(
          "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
        );
      },
      "The receiver was not reached: no answer.",
    ],
    [
      "answers no HTTP",
      (response: Parameters<Receiver["respond"]>[0]) => response.socket?.end("hello\r\n\r\n"),
      "The receiver was not reached: HPE_INVALID_CONSTANT.",
    ],
  ] as const)("that %s gets the event again", async (_what, respond, error) => {
    const webhook = await create();
    receiver.respond = respond;
    await makeRole("new");
    await vi.waitFor(async () => {
      expect((await deliveriesOf(webhook))[0]?.last_attempt?.error).toBe(error);
    }, within);
    const [failed] = await deliveriesOf(webhook);
    expect(failed).toMatchObject({ status: "pending", attempts: 1, ended_at: null });
    expect(Date.parse(failed?.next_attempt_at ?? "")).toBeGreaterThan(Date.now());
    expect((await read(webhook)).failing_since).not.toBeNull();
    receiver.respond = answer(204);
    await passTime();
    await vi.waitFor(async () => {
      expect((await deliveriesOf(webhook))[0]?.status).toBe("delivered");
    }, within);
    const [first, second] = receiver.received;
    expect(second).toMatchObject({ id: first?.id, isVerified: true, payload: first?.payload });
    expect((await read(webhook)).failing_since).toBeNull();
  });

  test("that hangs or trickles delays no other webhook of any organization", async () => {
    const hanging = await startReceiver();
    hanging.respond = () => {};
    const trickling = await startReceiver();
    trickling.respond = (response) => {
      // Each byte of the head is on time, the head is not.
      const timer = setInterval(() => response.socket?.write("H"), 500);
      response.socket?.once("close", () => clearInterval(timer));
    };
    try {
      const other = await makeOrganization(owner);
      const slow = await createIn(org, hanging);
      const dripping = await createIn(org, trickling);
      await create();
      const elsewhere = await startReceiver();
      await createIn(other, elsewhere);
      for (let count = 0; count < 10; count += 1) await makeRole(`role ${count}`);
      await makeRole("new", other);
      await expect.poll(() => elsewhere.received.length).toBe(1);
      await vi.waitFor(() => expect(receiver.received).toHaveLength(10), within);
      await vi.waitFor(async () => {
        for (const webhook of [slow, dripping]) {
          const attempted = (await deliveriesOf(webhook)).filter(
            ({ last_attempt }) => typeof last_attempt?.error === "string",
          );
          expect(attempted.length).toBeGreaterThan(0);
        }
      }, within);
      const late = (await deliveriesOf(slow)).find(({ last_attempt }) => last_attempt?.error);
      expect(late?.last_attempt?.error).toBe("The receiver did not answer within 10 seconds.");
      await elsewhere.close();
    } finally {
      await hanging.close();
      await trickling.close();
    }
  });

  test("with an endless response gets an event once", async () => {
    const webhook = await create();
    receiver.respond = (response) => {
      response.writeHead(200);
      const more = () => {
        if (!response.destroyed && response.write("y".repeat(65_536))) setImmediate(more);
      };
      response.on("drain", more);
      more();
    };
    await makeRole("new");
    await vi.waitFor(async () => {
      expect((await deliveriesOf(webhook))[0]?.status).toBe("delivered");
    }, within);
    expect((await deliveriesOf(webhook))[0]?.last_attempt?.response_body).toBe("y".repeat(1024));
    receiver.respond = (response) => response.writeHead(200).write("slow");
    await makeRole("another");
    await vi.waitFor(async () => {
      expect((await deliveriesOf(webhook)).map(({ status }) => status)).toEqual([
        "delivered",
        "delivered",
      ]);
    }, within);
    expect(receiver.received).toHaveLength(2);
  });

  test("that fails for one subject gets the others, and each subject in order", async () => {
    const webhook = await create();
    const bad = await makeRole("bad");
    const good = await makeRole("good");
    await vi.waitFor(() => expect(receiver.received).toHaveLength(2), within);
    receiver.respond = (response, { payload }) =>
      answer(payload.data.subject.id === bad ? 500 : 204)(response);
    const attempts = () => receiver.typesOf(bad).length;
    await changeRole(bad, "one");
    await vi.waitFor(() => expect(attempts()).toBe(2), within);
    await changeRole(bad, "two");
    await changeRole(good, "one");
    await changeRole(good, "two");
    await vi.waitFor(() => expect(receiver.typesOf(good)).toHaveLength(3), within);
    expect(attempts()).toBe(2);
    receiver.respond = answer(204);
    await passTime();
    await vi.waitFor(() => expect(attempts()).toBe(4), within);
    const ids = receiver.received
      .filter(({ payload }) => payload.data.subject.id === bad)
      .map(({ id }) => id);
    // The failed one is repeated before the next one is sent for the first time.
    expect(ids[2]).toBe(ids[1]);
    expect(new Set(ids).size).toBe(3);
    await vi.waitFor(async () => {
      expect((await deliveriesOf(webhook)).every(({ status }) => status === "delivered")).toBe(
        true,
      );
    }, within);
  });

  test("that fails for a day loses the event, and the next one of its subject follows", async () => {
    const webhook = await create();
    receiver.respond = answer(500);
    const role = await makeRole("new");
    await vi.waitFor(() => expect(receiver.received).toHaveLength(1), within);
    await changeRole(role, "changed");
    await queryAsOwner(
      app,
      `update webhook_deliveries set created_at = now() - interval '24 hours'
       where webhook_id = $1 and attempts > 0`,
      [webhook.id],
    );
    await passTime();
    await vi.waitFor(async () => {
      const [next, first] = await deliveriesOf(webhook);
      expect(first).toMatchObject({ status: "failed", attempts: 2, next_attempt_at: null });
      expect(next).toMatchObject({ status: "pending", attempts: 1 });
    }, within);
  });

  test("that answers 410 is disabled, and its owners get an email", async () => {
    const webhook = await create();
    receiver.respond = answer(410, "no more");
    await makeRole("new");
    await vi.waitFor(async () => {
      expect(await read(webhook)).toMatchObject({ enabled: false, disabled_reason: "gone" });
    }, within);
    const [delivery] = await deliveriesOf(webhook);
    expect(delivery).toMatchObject({ status: "failed", attempts: 1 });
    expect(delivery?.last_attempt).toMatchObject({
      response_status: 410,
      response_body: "no more",
    });
    await makeRole("unheard");
    expect(await deliveriesOf(webhook)).toHaveLength(1);
    await vi.waitFor(async () => {
      const letters = await mailsTo(app, owner.email);
      const letter = letters.find(({ text }) => text.includes(org.slug));
      expect(letter?.text).toContain("answered with status 410");
    }, within);
    const { data: log } = await owner.api.audit.list({
      params: { org_id: org.id },
      query: { action: "webhook.disabled" },
    });
    expect(log).toMatchObject([{ actor: { type: "system" }, target: { id: webhook.id } }]);
  });

  test("that fails for three days is disabled; enabling it begins anew", async () => {
    const webhook = await create();
    receiver.respond = answer(503);
    await makeRole("new");
    await vi.waitFor(
      async () => expect((await read(webhook)).failing_since).not.toBeNull(),
      within,
    );
    await queryAsOwner(
      app,
      "update webhooks set failing_since = now() - interval '73 hours' where id = $1",
      [webhook.id],
    );
    await passTime();
    await vi.waitFor(async () => {
      expect(await read(webhook)).toMatchObject({ enabled: false, disabled_reason: "failing" });
    }, within);
    const params = webhookParams(webhook);
    const { data } = await owner.api.webhooks.update({ params, body: { enabled: true } });
    expect(data).toMatchObject({ disabled_reason: null, disabled_at: null, failing_since: null });
    receiver.respond = answer(204);
    await makeRole("heard");
    await vi.waitFor(async () => {
      expect((await deliveriesOf(webhook))[0]?.status).toBe("delivered");
    }, within);
  });

  test("that lets too many deliveries wait is disabled", async () => {
    const webhook = await create();
    receiver.respond = answer(500);
    const role = await makeRole("new");
    await changeRole(role, "one");
    await changeRole(role, "two");
    const backlogs = (most: number) =>
      app.db.withSystem("a test", async (tx) =>
        (await listBacklogs(tx, most)).filter(({ webhook_id }) => webhook_id === webhook.id),
      );
    expect(await backlogs(3)).toEqual([]);
    const target = { org_id: org.id, webhook_id: webhook.id };
    expect(await backlogs(2)).toEqual([target]);
    await disableWebhook(app.db, target, "backlog");
    expect(await read(webhook)).toMatchObject({ enabled: false, disabled_reason: "backlog" });
    await vi.waitFor(async () => {
      const states = (await deliveriesOf(webhook)).map(({ status }) => status);
      expect(states).toEqual(["failed", "failed", "failed"]);
    }, within);
    // Nothing is left to send once it is enabled again.
    receiver.respond = answer(204);
    const params = webhookParams(webhook);
    await owner.api.webhooks.update({ params, body: { enabled: true } });
    await makeRole("heard");
    await vi.waitFor(async () => {
      expect((await deliveriesOf(webhook))[0]?.status).toBe("delivered");
    }, within);
    expect(receiver.typesOf(role)).not.toContain("role.updated");
  });

  test("whose name resolves to a private address by then gets nothing", async () => {
    const strict = await startTestApp();
    try {
      const person = await strict.person("Bob");
      const its = await makeOrganization(person);
      const body = { url: "https://8.8.8.8/hook", events: subjects };
      const params = { org_id: its.id };
      const { data: webhook } = await person.api.webhooks.create({ params, body });
      const { port } = new URL(receiver.url);
      for (const [url, error] of [
        [`https://localhost:${port}/hook`, /localhost resolves to .*, which is not public/],
        [`https://127.0.0.1:${port}/hook`, /resolves to 127.0.0.1, which is not public/],
        [`http://8.8.8.8:${port}/hook`, /must begin with https/],
      ] as const) {
        await queryAsOwner(strict, "update webhooks set url = $1 where id = $2", [url, webhook.id]);
        const one = { ...params, webhook_id: webhook.id };
        const { data } = await person.api.webhooks.test({ params: one });
        expect(data.last_attempt?.error).toMatch(error);
      }
      expect(receiver.received).toEqual([]);
    } finally {
      await strict.close();
    }
  });

  test("gets nothing while the organization is archived", async () => {
    const webhook = await create();
    receiver.respond = answer(500);
    await makeRole("new");
    await vi.waitFor(() => expect(receiver.received).toHaveLength(1), within);
    await owner.api.organizations.archive({ params: { org_id: org.id } });
    receiver.respond = answer(204);
    await passTime();
    // Another organization's delivery shows that due ones have been looked for.
    const other = await makeOrganization(owner);
    const elsewhere = await startReceiver();
    await createIn(other, elsewhere);
    elsewhere.respond = answer(500);
    await makeRole("other", other);
    await vi.waitFor(() => expect(elsewhere.received).toHaveLength(1), within);
    await passTime();
    await vi.waitFor(() => expect(elsewhere.received).toHaveLength(2), within);
    await elsewhere.close();
    expect(receiver.received).toHaveLength(1);
    await queryAsOwner(
      app,
      `update webhook_deliveries set created_at = now() - interval '25 hours',
       next_attempt_at = now() - interval '2 hours' where webhook_id = $1`,
      [webhook.id],
    );
    await expireEvents(app.db, 30);
    expect((await deliveriesOf(webhook))[0]?.status).toBe("failed");
  });
});

describe("events", () => {
  test("are sent once by two server processes, in order per subject", async () => {
    await create();
    const sibling = await app.sibling();
    try {
      const roles = await Promise.all(
        Array.from({ length: 10 }, (_, item) => makeRole(`r${item}`)),
      );
      const there = sibling.client(owner.token);
      for (let change = 0; change < 10; change += 1) {
        await Promise.all(
          roles.map((role_id, index) =>
            (index % 2 === 0 ? there : owner.api).roles.update({
              params: { org_id: org.id, role_id },
              body: { description: String(change) },
            }),
          ),
        );
      }
      await vi.waitFor(() => expect(receiver.received).toHaveLength(110), within);
      for (const role of roles) {
        expect(receiver.typesOf(role)).toEqual(["role.created", ...Array(10).fill("role.updated")]);
        const times = receiver.received
          .filter(({ payload }) => payload.data.subject.id === role)
          .map(({ payload }) => payload.timestamp);
        expect(times).toEqual(times.toSorted());
      }
      expect(new Set(receiver.received.map(({ id }) => id)).size).toBe(110);
    } finally {
      await sibling.close();
    }
  });

  test("are deleted with their deliveries after the days of the operator", async () => {
    const webhook = await create();
    await makeRole("new");
    await vi.waitFor(async () => {
      expect((await deliveriesOf(webhook))[0]?.status).toBe("delivered");
    }, within);
    await queryAsOwner(
      app,
      "update events set created_at = now() - interval '31 days' where org_id = $1 and type = $2",
      [org.id, "role.created"],
    );
    await expireEvents(app.db, 32);
    expect(await deliveriesOf(webhook)).toHaveLength(1);
    await expireEvents(app.db, 30);
    expect(await deliveriesOf(webhook)).toEqual([]);
  });
});
