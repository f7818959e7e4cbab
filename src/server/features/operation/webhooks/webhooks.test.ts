import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import type { Organization } from "#shared/api/organization/organizations.js";
import { auditActionNames } from "#shared/organization/audit.js";
import { auditedEvents, permissionsOfPatterns } from "#shared/operation/event-types.js";
import {
  expectProblem,
  startTestApp,
  type TestApp,
  type TestPerson,
} from "#test/support/server/app.js";
import { makeAgent, makeOrganization, makeProject } from "#test/support/fixtures/factories.js";
import { queryAsOwner } from "#test/support/database/queries.js";
import { startReceiver, type Receiver } from "#test/support/webhooks/receiver.js";
import { systemRoleIds } from "../../../db/migrate.js";

let app: TestApp;
let owner: TestPerson;
let org: Organization;
let receiver: Receiver;
beforeAll(async () => {
  app = await startTestApp({ OMOI_WEBHOOK_PRIVATE_HOSTS: "true" });
  owner = await app.person("Ada");
});
beforeEach(async () => {
  org = await makeOrganization(owner);
  receiver = await startReceiver();
  return () => receiver.close();
});
afterAll(() => app.close());

const params = () => ({ org_id: org.id });
const create = async (events: string[], url = receiver.url, person = owner) => {
  const { data } = await person.api.webhooks.create({ params: params(), body: { url, events } });
  receiver.secret = data.secret as string;
  return data;
};

describe("webhooks", () => {
  test("are created with a secret that is shown once, changed and deleted", async () => {
    const created = await create(["run.failed", "merge.*", "run.failed"]);
    expect(created.secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
    expect(created).toMatchObject({
      url: receiver.url,
      events: ["run.failed", "merge.*"],
      description: null,
      enabled: true,
      disabled_reason: null,
      created_by: { id: owner.id },
    });
    const { secret: _secret, ...shown } = created;
    const one = { ...params(), webhook_id: created.id };
    expect((await owner.api.webhooks.get({ params: one })).data).toEqual(shown);
    expect((await owner.api.webhooks.list({ params: params() })).data).toEqual([shown]);
    const { data: changed } = await owner.api.webhooks.update({
      params: one,
      body: { events: ["*"], description: "chat", enabled: false },
    });
    expect(changed).toMatchObject({ events: ["*"], description: "chat", enabled: false });
    expect(changed.disabled_reason).toBe("manual");
    expect(changed.disabled_at).not.toBeNull();
    await owner.api.webhooks.delete({ params: one });
    await expectProblem(owner.api.webhooks.get({ params: one }), 404, "not_found");
    const { data: log } = await owner.api.audit.list({ params: params(), query: {} });
    expect(log.slice(0, 3).map(({ action, target }) => [action, target.name])).toEqual(
      ["webhook.deleted", "webhook.updated", "webhook.created"].map((action) => [
        action,
        new URL(receiver.url).host,
      ]),
    );
    // The address may contain a credential.
    expect(JSON.stringify(log)).not.toContain("/hook");
  });

  test("need a public https address without a login", async () => {
    const strict = await startTestApp();
    try {
      const person = await strict.person("Bob");
      const its = await makeOrganization(person);
      for (const url of [
        "http://example.com/hook",
        "https://127.0.0.1/hook",
        "https://[::1]/hook",
        "https://[::ffff:10.0.0.1]/hook",
        "https://169.254.169.254/latest",
        "https://0x7f.1/hook",
        "https://localhost/hook",
        "https://name.invalid/hook",
        "https://user:secret@8.8.8.8/hook",
        "https://8.8.8.8/hook#part",
        "ftp://8.8.8.8/hook",
        "not an address",
      ]) {
        const body = { url, events: ["*"] };
        const problem = await expectProblem(
          person.api.webhooks.create({ params: { org_id: its.id }, body }),
          422,
          "validation_failed",
        );
        expect(problem.errors?.[0]?.loc, url).toEqual(["body", "url"]);
      }
    } finally {
      await strict.close();
    }
    for (const host of ["169.254.169.254", "100.100.100.200", "[::ffff:100.100.100.200]"]) {
      await expectProblem(create(["*"], `http://${host}/latest`), 422, "validation_failed");
    }
  });

  test("reject unknown events and are limited in number", async () => {
    for (const events of [[], ["run.unknown"], ["run"], ["*.*"], ["webhook.test"], ["runs.*"]]) {
      await expectProblem(create(events), 422, "validation_failed");
    }
    for (let count = 0; count < 20; count += 1) await create(["run.*"]);
    await expectProblem(create(["run.*"]), 409, "too_many_webhooks");
  });

  test("send and show nothing to a member who may not read it", async () => {
    const { id: webhook_id } = await create(["*"]);
    const one = { ...params(), webhook_id };
    const person = await app.person("Partial");
    const { data: role } = await owner.api.roles.create({
      params: params(),
      body: {
        name: `hooks-${webhook_id.slice(-6)}`,
        permissions: ["org:read", "org:webhooks:read", "org:webhooks:write"],
      },
    });
    await owner.api.members.add({
      params: params(),
      body: { user_id: person.id, role_id: role.id },
    });
    const { webhooks } = person.api;
    for (const body of [{ url: `${receiver.url}/mine` }, { events: ["run.*"] }]) {
      await expectProblem(webhooks.update({ params: one, body }), 403, "insufficient_permission");
    }
    await webhooks.update({ params: one, body: { enabled: false } });
    const enabled = webhooks.update({ params: one, body: { enabled: true } });
    await expectProblem(enabled, 403, "insufficient_permission");
    await expectProblem(webhooks.rotateSecret({ params: one }), 403, "insufficient_permission");
    await webhooks.update({ params: one, body: { description: "Seen" } });
    await owner.api.webhooks.update({ params: one, body: { enabled: true } });
    const body = { organization_id: params().org_id, name: "Hidden" };
    await owner.api.projects.create({ body });
    const list = () => owner.api.webhooks.deliveries({ params: one, query: {} });
    await expect
      .poll(async () => (await list()).data.map(({ event_type }) => event_type))
      .toContain("project.created");
    const hidden = (await list()).data.find(({ event_type }) => event_type === "project.created");
    const shown = webhooks.delivery({ params: { ...one, delivery_id: hidden?.id as string } });
    await expectProblem(shown, 403, "insufficient_permission");
  });

  test("are for owners and admins, and never for agents", async () => {
    const { id: webhook_id } = await create(["*"]);
    const one = { ...params(), webhook_id };
    for (const role of ["admin", "member", "viewer"] as const) {
      const person = await app.person(role);
      const body = { user_id: person.id, role_id: systemRoleIds[role] };
      await owner.api.members.add({ params: params(), body });
      if (role === "admin") {
        await create(["*"], receiver.url, person);
        continue;
      }
      const { webhooks } = person.api;
      for (const [call, permission] of [
        [() => webhooks.list({ params: params() }), "org:webhooks:read"],
        [() => webhooks.deliveries({ params: one, query: {} }), "org:webhooks:read"],
        [() => create(["*"], receiver.url, person), "org:webhooks:write"],
        [() => webhooks.test({ params: one }), "org:webhooks:write"],
        [() => webhooks.rotateSecret({ params: one }), "org:webhooks:write"],
      ] as const) {
        const problem = await expectProblem(call(), 403, "insufficient_permission");
        expect(problem.missing_permissions).toEqual([permission]);
      }
    }
    const project = await makeProject(owner, org.id);
    const agent = await makeAgent(owner, project.id);
    await queryAsOwner(app, "update memberships set role_id = $1 where agent_id = $2", [
      systemRoleIds.owner,
      agent.id,
    ]);
    await owner.api.runs.create({ params: { agent_id: agent.id }, body: { external: true } });
    const { data: key } = await owner.api.apiKeys.create({
      body: { name: "k", agent_id: agent.id },
    });
    const api = app.client(key.key as string);
    const asAgent = api.webhooks.create({
      params: params(),
      body: { url: receiver.url, events: ["agent.*"] },
    });
    await expectProblem(asAgent, 403, "insufficient_permission");
  });

  test("send only what their author may read", async () => {
    const { data: role } = await owner.api.roles.create({
      params: params(),
      body: { name: "hooks", permissions: ["org:read", "org:webhooks:*", "agent:read"] },
    });
    const person = await app.person("hooks");
    await owner.api.members.add({
      params: params(),
      body: { user_id: person.id, role_id: role.id },
    });
    const { id: webhook_id } = await create(["run.*", "agent.created"], receiver.url, person);
    const denied = await expectProblem(
      create(["project.created"], receiver.url, person),
      403,
      "insufficient_permission",
    );
    expect(denied.missing_permissions).toEqual(["project:read"]);
    const update = person.api.webhooks.update({
      params: { ...params(), webhook_id },
      body: { events: ["*"] },
    });
    await expectProblem(update, 403, "insufficient_permission");
    expect(permissionsOfPatterns(["*"])).toContain("org:secrets:read");
  });

  test("list their event types", async () => {
    const { data } = await owner.api.webhooks.eventTypes({
      params: params(),
      query: { limit: 200 },
    });
    expect(data.map(({ name }) => name)).toEqual([...new Set(data.map(({ name }) => name))]);
    expect(data.find(({ name }) => name === "run.failed")).toEqual({
      name: "run.failed",
      description: "A run failed",
      permission: "agent:read",
    });
  });
});

test("the trigger of the audit log leaves out the actions that are no events", async () => {
  const [trigger] = await queryAsOwner<{ text: string }>(
    app,
    `select pg_get_triggerdef(oid) as text from pg_trigger
     where tgrelid = 'audit_events'::regclass and tgname = 'record_event'`,
  );
  const recorded = auditActionNames.filter((name) => !trigger?.text.includes(`'${name}'`));
  expect(recorded).toEqual(auditedEvents);
});

describe("deliveries", () => {
  test("are signed, carry the id of the event, and arrive in order", async () => {
    await create(["*"]);
    const project = await makeProject(owner, org.id);
    const agent = await makeAgent(owner, project.id);
    const { data: run } = await owner.api.runs.create({
      params: { agent_id: agent.id },
      body: { external: true },
    });
    await owner.api.runs.stop({ params: { run_id: run.id } });
    await expect.poll(() => receiver.typesOf(run.id)).toEqual(["run.started", "run.stopped"]);
    await expect.poll(() => receiver.typesOf(agent.id)).toContain("agent.created");
    expect(receiver.received.every(({ isVerified }) => isVerified)).toBe(true);
    const started = receiver.received.find(({ payload }) => payload.type === "run.started");
    expect(started?.payload.data).toMatchObject({
      organization_id: org.id,
      subject: { type: "run", id: run.id },
      run: { id: run.id, agent_id: agent.id, project_id: project.id, status: "running" },
    });
    expect(started?.headers["content-type"]).toBe("application/json");
    // The id is the one of the audit log and the event stream.
    const { data: log } = await owner.api.audit.list({
      params: params(),
      query: { action: "agent.created" },
    });
    const created = receiver.received.find(({ payload }) => payload.type === "agent.created");
    expect(created?.id).toBe(log[0]?.id);
    expect(created?.payload.data.subject).toEqual({
      type: "agent",
      id: agent.id,
      name: agent.name,
    });
  });

  test("reach only webhooks that chose the event, of the same organization", async () => {
    const other = await makeOrganization(owner);
    await create(["agent.created", "role.*"]);
    const project = await makeProject(owner, org.id);
    const elsewhere = await makeProject(owner, other.id);
    await makeAgent(owner, elsewhere.id);
    const agent = await makeAgent(owner, project.id);
    await owner.api.roles.create({
      params: params(),
      body: { name: "new", permissions: ["org:read"] },
    });
    await expect
      .poll(() => receiver.received.map(({ payload }) => payload.type).toSorted())
      .toEqual(["agent.created", "role.created"]);
    expect(receiver.typesOf(agent.id)).toEqual(["agent.created"]);
  });

  test("report nothing of a change that failed, and nothing while disabled", async () => {
    const { id: webhook_id } = await create(["role.*"]);
    const body = { name: "same", permissions: ["org:read"] };
    await owner.api.roles.create({ params: params(), body });
    await expectProblem(owner.api.roles.create({ params: params(), body }), 409, "role_name_taken");
    const one = { ...params(), webhook_id };
    await expect.poll(() => receiver.received.length).toBe(1);
    await owner.api.webhooks.update({ params: one, body: { enabled: false } });
    await owner.api.roles.create({ params: params(), body: { ...body, name: "unheard" } });
    await owner.api.webhooks.update({ params: one, body: { enabled: true } });
    await owner.api.roles.create({ params: params(), body: { ...body, name: "heard" } });
    await expect.poll(() => receiver.received.length).toBe(2);
    const { data } = await owner.api.webhooks.deliveries({ params: one, query: {} });
    expect(data.map(({ status }) => status)).toEqual(["delivered", "delivered"]);
  });

  test("are logged with the response, and are sent again with the same id", async () => {
    const { id: webhook_id } = await create(["role.created"]);
    receiver.respond = (response) => response.writeHead(200).end(`thanks\u0000${"x".repeat(5000)}`);
    await owner.api.roles.create({
      params: params(),
      body: { name: "new", permissions: ["org:read"] },
    });
    const one = { ...params(), webhook_id };
    const list = async (query = {}) =>
      (await owner.api.webhooks.deliveries({ params: one, query })).data;
    await vi.waitFor(async () => expect((await list())[0]?.status).toBe("delivered"), 120_000);
    const [first] = await list();
    expect(first).toMatchObject({
      event_type: "role.created",
      status: "delivered",
      attempts: 1,
      is_redelivery: false,
      next_attempt_at: null,
      last_attempt: { response_status: 200, error: null },
    });
    expect(first?.last_attempt?.response_body).toMatch(/^thanks\ufffdx{1000}/);
    expect(first?.last_attempt?.response_body?.length).toBe(1024);
    const delivery_id = first?.id as string;
    const { data: shown } = await owner.api.webhooks.delivery({ params: { ...one, delivery_id } });
    expect(shown.payload).toEqual(receiver.received[0]?.payload);
    const { data: again, status } = await owner.api.webhooks.redeliver({
      params: { ...one, delivery_id },
    });
    expect(status).toBe(202);
    expect(again).toMatchObject({ event_id: first?.event_id, is_redelivery: true });
    expect(again.id).not.toBe(delivery_id);
    await expect.poll(() => receiver.received.length).toBe(2);
    expect(receiver.received[1]?.id).toBe(receiver.received[0]?.id);
    expect(receiver.received[1]?.payload).toEqual(receiver.received[0]?.payload);
    await vi.waitFor(
      async () => expect(await list({ status: "delivered" })).toHaveLength(2),
      120_000,
    );
    expect(await list({ status: "pending" })).toEqual([]);
    await owner.api.webhooks.update({ params: one, body: { enabled: false } });
    const disabled = owner.api.webhooks.redeliver({ params: { ...one, delivery_id } });
    await expectProblem(disabled, 409, "webhook_disabled");
  });

  test("are sent by a test at once, also of a disabled webhook", async () => {
    const { id: webhook_id } = await create(["role.created"]);
    const one = { ...params(), webhook_id };
    const { data: sent } = await owner.api.webhooks.test({ params: one });
    expect(sent).toMatchObject({ event_type: "webhook.test", status: "delivered", attempts: 1 });
    expect(receiver.received).toHaveLength(1);
    expect(receiver.received[0]).toMatchObject({ id: sent.event_id, isVerified: true });
    await owner.api.webhooks.update({ params: one, body: { enabled: false } });
    receiver.respond = (response) => response.writeHead(500).end("broken");
    const { data: failed } = await owner.api.webhooks.test({ params: one });
    expect(failed).toMatchObject({
      status: "failed",
      last_attempt: { response_status: 500, response_body: "broken" },
    });
    expect((await owner.api.webhooks.get({ params: one })).data.failing_since).toBeNull();
  });

  test("have two signatures after a rotation, for a day", async () => {
    const created = await create(["role.created"]);
    const one = { ...params(), webhook_id: created.id };
    const { data: rotated } = await owner.api.webhooks.rotateSecret({ params: one });
    expect(rotated.secret).not.toBe(created.secret);
    expect(rotated.previous_secret_expires_at).not.toBeNull();
    for (const secret of [created.secret, rotated.secret]) {
      receiver.secret = secret as string;
      await owner.api.webhooks.test({ params: one });
      expect(receiver.received.at(-1)?.isVerified).toBe(true);
    }
    await queryAsOwner(
      app,
      "update webhooks set previous_secret_expires_at = now() where id = $1",
      [created.id],
    );
    receiver.secret = created.secret as string;
    await owner.api.webhooks.test({ params: one });
    expect(receiver.received.at(-1)?.isVerified).toBe(false);
    expect((await owner.api.webhooks.get({ params: one })).data).toMatchObject({
      previous_secret_expires_at: null,
    });
  });

  test("are in the event stream with the same id and type", async () => {
    await create(["agent.created"]);
    const project = await makeProject(owner, org.id);
    const stop = new AbortController();
    const response = await fetch(`${app.url}/api/v1/organizations/${org.id}/events`, {
      signal: stop.signal,
      headers: { authorization: `Bearer ${owner.token}` },
    });
    let text = "";
    const reading = (async () => {
      const decoder = new TextDecoder();
      for await (const bytes of response.body ?? []) text += decoder.decode(bytes);
    })().catch(() => {});
    const agent = await makeAgent(owner, project.id);
    await expect.poll(() => receiver.received.length).toBe(1);
    const event = { id: receiver.received[0]?.id, type: "agent.created", subject_id: agent.id };
    await expect.poll(() => text.split("\n")).toContain(`data: ${JSON.stringify(event)}`);
    expect(text).toMatch(/event: event\nid: [0-9a-f]{12}-\d+\ndata: \{"id"/);
    stop.abort();
    await reading;
  });
});
