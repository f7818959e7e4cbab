import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Organization } from "#shared/api/organization/organizations.js";
import { makeAgent, makeOrganization, makeProject } from "#test/support/fixtures/factories.js";
import { makeServiceAccount } from "#test/support/fixtures/service-accounts.js";
import { queryAsOwner } from "#test/support/database/queries.js";
import { mailsTo } from "#test/support/mail/outbox.js";
import {
  expectProblem,
  startTestApp,
  type TestApp,
  type TestPerson,
} from "#test/support/server/app.js";
import { systemRoleIds } from "../../../db/migrate.js";
import { announceExpiringKeys } from "../api-keys/expiry.js";
import { dispatchEvents } from "../../work/notifications/recipients/dispatch-events.js";

let app: TestApp;
let sibling: TestApp;
let owner: TestPerson;
let org: Organization;
beforeAll(async () => {
  app = await startTestApp();
  sibling = await app.sibling();
  owner = await app.person("Ada");
});
beforeEach(async () => {
  org = await makeOrganization(owner);
});
afterAll(async () => {
  await sibling.close();
  await app.close();
});

const params = () => ({ org_id: org.id });
const account = async (role: keyof typeof systemRoleIds = "member") => {
  const made = await makeServiceAccount(app, owner, org.id, { role: role as "member" });
  return { ...made, params: { ...params(), service_account_id: made.account.id } };
};
type Robot = Awaited<ReturnType<typeof account>>;
const join = async (role_id: string) => {
  const person = await app.person("colleague");
  const { data } = await owner.api.members.add({
    params: params(),
    body: { user_id: person.id, role_id },
  });
  return { ...person, memberId: data.id };
};
/** A member who manages service accounts, with further permissions. */
const keeper = async (permissions: string[]) => {
  const { data: role } = await owner.api.roles.create({
    params: params(),
    body: {
      name: `keeper-${permissions.length}`,
      permissions: ["org:service-accounts:*", ...permissions],
    },
  });
  return { ...(await join(role.id)), role };
};
const works = async ({ key }: Pick<Robot, "key">) => {
  for (const process of [app, sibling]) {
    const { data } = await process.client(key).organizations.list({});
    expect(data.map(({ id }) => id)).toEqual([org.id]);
  }
};
const ended = async ({ key }: Pick<Robot, "key">) => {
  for (const process of [app, sibling]) {
    const answer = process.client(key).organizations.list({});
    await expectProblem(answer, 401, "invalid_token");
  }
};

describe("keys of service accounts", () => {
  test("are shown once, listed, rotated and revoked, and the audit log says so", async () => {
    const robot = await account();
    const { data: created, headers } = await owner.api.serviceAccounts.createKey({
      params: robot.params,
      body: {
        name: "deploy-2",
        description: "of the pipeline",
        scopes: [`org:${org.slug}:project:read`],
        expires_in_days: 30,
        allowed_ips: ["127.0.0.0/8", "::1"],
        rate_limit_per_minute: 600,
      },
    });
    const { key, ...shown } = created;
    expect(key).toMatch(/^sk_live_/);
    expect(headers.get("cache-control")).toBe("no-store");
    expect(shown).toMatchObject({
      name: "deploy-2",
      scopes: [`org:${org.slug}:project:read`],
      organization_id: org.id,
      agent_id: null,
      allowed_ips: ["127.0.0.0/8", "::1/128"],
      rate_limit_per_minute: 600,
      created_by: { id: owner.id, name: "Ada" },
    });
    const path = `/api/v1/organizations/${org.id}/service-accounts/${robot.account.id}`;
    expect(headers.get("location")).toBe(`${path}/api-keys/${created.id}`);
    const one = { ...robot.params, key_id: created.id };
    expect((await owner.api.serviceAccounts.getKey({ params: one })).data).toEqual(shown);
    const { data: list } = await owner.api.serviceAccounts.listKeys({ params: robot.params });
    expect(list.map(({ id }) => id)).toEqual([created.id, robot.keyId]);
    const { data: read } = await owner.api.serviceAccounts.get({ params: robot.params });
    expect(read.active_keys).toBe(2);

    const { data: rotated } = await owner.api.serviceAccounts.rotateKey({ params: one });
    const same = ["name", "description", "scopes", "expires_at", "allowed_ips"] as const;
    for (const field of same) expect([field, rotated[field]]).toEqual([field, created[field]]);
    await ended({ key: key as string });
    const again = owner.api.serviceAccounts.rotateKey({ params: one });
    await expectProblem(again, 409, "key_not_active");
    const second = { ...robot.params, key_id: rotated.id };
    const graced = await owner.api.serviceAccounts.rotateKey({
      params: second,
      body: { grace_period_seconds: 60 },
    });
    await app.client(rotated.key as string).projects.list({});
    const twice = owner.api.serviceAccounts.rotateKey({ params: second });
    await expectProblem(twice, 409, "key_not_active");
    const last = { ...robot.params, key_id: graced.data.id };
    await owner.api.serviceAccounts.revokeKey({ params: last });
    await owner.api.serviceAccounts.revokeKey({ params: last });
    await ended({ key: graced.data.key as string });
    const { data: events } = await owner.api.audit.list({ params: params() });
    const actions = events
      .map(({ action }) => action)
      .filter((item) => item.startsWith("api_key."));
    expect(actions).toEqual([
      "api_key.revoked",
      "api_key.rotated",
      "api_key.rotated",
      "api_key.created",
      "api_key.created",
    ]);
  });

  test("have the permissions of the role by default, and act in the organization alone", async () => {
    const robot = await account("viewer");
    const { data: list } = await owner.api.serviceAccounts.listKeys({ params: robot.params });
    expect(list[0]?.scopes.toSorted()).toEqual(
      [
        "org:read",
        "org:members:read",
        "project:read",
        "project:task:read",
        "project:automation:read",
        "project:git:read",
        "agent:read",
        "agent:workspace:read",
      ]
        .map((permission) => `org:${org.slug}:${permission}`)
        .toSorted(),
    );
    await works(robot);
    const other = await makeOrganization(owner);
    const foreign = robot.api.organizations.get({ params: { org_id: other.id } });
    await expectProblem(foreign, 404, "not_found");
    const { data: projects } = await robot.api.projects.list({});
    expect(projects).toEqual([]);
    const bodies = [["*:*"], [`org:${other.slug}:*`], [`org:${org.slug}:nonsense:read`]];
    for (const scopes of bodies) {
      const attempt = owner.api.serviceAccounts.createKey({
        params: robot.params,
        body: { name: "k", scopes },
      });
      await expectProblem(attempt, 422, "validation_failed");
    }
    const both = owner.api.serviceAccounts.createKey({
      params: robot.params,
      body: { name: "k", expires_in_days: 1, expires_at: "2150-01-01T00:00:00Z" },
    });
    await expectProblem(both, 422, "validation_failed");
  });

  test("are no person's: everything of a user's own is refused", async () => {
    const { api } = await account("admin");
    const agent = await makeAgent(owner, (await makeProject(owner, org.id)).id);
    const { data: invitation } = await owner.api.invitations.create({
      params: params(),
      body: { email: "someone@example.com", role_id: systemRoleIds.viewer },
    });
    const token = (invitation.invite_url as string).split("/").at(-1) as string;
    const attempts = [
      () => api.auth.me(),
      () => api.auth.updateMe({ body: { full_name: "Robot" } }),
      () => api.auth.sessions({}),
      () => api.auth.endOtherSessions(),
      () => api.apiKeys.list({}),
      () => api.apiKeys.create({ body: { name: "k", organization_id: org.id } }),
      () => api.apiKeys.create({ body: { name: "k", agent_id: agent.id } }),
      () => api.organizations.create({ body: { name: "mine" } }),
      () => api.invitations.accept({ params: { token } }),
      () => api.passkeys.list({}),
      () => api.oidc.identities({}),
      () => api.secondFactor.get(),
    ];
    for (const attempt of attempts) {
      await expectProblem(attempt(), 403, "insufficient_permission");
    }
    await expectProblem(
      api.auth.changePassword({ body: { current_password: "x", new_password: "correct horse 9" } }),
      403,
      "session_required",
    );
    await expectProblem(api.admin.users({}), 404, "not_found");
    const { data: attention } = await api.overview.attention({ params: params() });
    expect(attention).toEqual([]);
    const dismissal = { params: { ...params(), item_key: "failed_run:x" } };
    await expectProblem(api.overview.dismiss(dismissal), 403, "insufficient_permission");
  });

  test("stay with their makers' permissions: none gets more than its maker holds", async () => {
    const robot = await account("admin");
    const reader = await keeper(["org:read", "project:read"]);
    const attempt = (scopes?: string[]) =>
      reader.api.serviceAccounts.createKey({
        params: robot.params,
        body: {
          name: "k",
          ...(scopes && { scopes: scopes.map((scope) => `org:${org.slug}:${scope}`) }),
        },
      });
    await expectProblem(attempt(), 403, "privilege_escalation");
    await expectProblem(attempt(["*"]), 403, "privilege_escalation");
    await expectProblem(attempt(["project:*"]), 403, "privilege_escalation");
    const { data } = await attempt(["project:read"]);
    expect(data.created_by.id).toBe(reader.id);
    const rotation = reader.api.serviceAccounts.rotateKey({
      params: { ...robot.params, key_id: robot.keyId },
    });
    await expectProblem(rotation, 403, "privilege_escalation");

    // A key creates keys within its own scopes, networks, limit and life only.
    const { data: narrow } = await owner.api.apiKeys.create({
      body: {
        name: "narrow",
        scopes: [`org:${org.slug}:org:service-accounts:write`, `org:${org.slug}:project:read`],
        expires_in_days: 1,
        allowed_ips: ["127.0.0.0/8", "::1"],
        rate_limit_per_minute: 100,
      },
    });
    const byKey = app.client(narrow.key as string);
    const rights = {
      name: "k",
      scopes: [`org:${org.slug}:project:read`],
      expires_at: narrow.expires_at,
      allowed_ips: ["127.0.0.1"],
      rate_limit_per_minute: 50,
    };
    await byKey.serviceAccounts.createKey({ params: robot.params, body: rights });
    for (const wider of [
      { scopes: [`org:${org.slug}:project:*`] },
      { expires_at: null },
      { allowed_ips: null },
      { rate_limit_per_minute: 101 },
    ]) {
      const wide = byKey.serviceAccounts.createKey({
        params: robot.params,
        body: { ...rights, ...wider },
      });
      await expectProblem(wide, 403, "privilege_escalation");
    }
  });

  test("outlive the full-access key of a person that made or rotated them, and no other key", async () => {
    const robot = await account();
    const ofPerson = async (scopes: string[]) => {
      const body = { name: "login", scopes, expires_in_days: 1 };
      return app.client((await owner.api.apiKeys.create({ body })).data.key as string);
    };
    const full = await ofPerson(["*:*"]);
    const body = { name: "k", expires_in_days: 90 };
    const { data: made } = await full.serviceAccounts.createKey({ params: robot.params, body });
    const one = { ...robot.params, key_id: made.id };
    const { data: rotated } = await full.serviceAccounts.rotateKey({ params: one });
    expect(rotated.expires_at).toBe(made.expires_at);
    const next = { params: { ...robot.params, key_id: rotated.id } };
    const ofOrg = await ofPerson([`org:${org.slug}:*`]);
    await expectProblem(ofOrg.serviceAccounts.rotateKey(next), 403, "privilege_escalation");
    const wide = ofOrg.serviceAccounts.createKey({ params: robot.params, body });
    await expectProblem(wide, 403, "privilege_escalation");
    // Not for keys of the person.
    await expectProblem(full.apiKeys.create({ body }), 403, "privilege_escalation");
  });

  test("outlive the person who made them", async () => {
    const maker = await join(systemRoleIds.admin);
    const robot = await makeServiceAccount(app, maker, org.id);
    await owner.api.members.remove({ params: { ...params(), member_id: maker.memberId } });
    await works(robot);
    await owner.api.admin.delete({ params: { user_id: maker.id } });
    await works(robot);
    const one = { ...params(), service_account_id: robot.account.id };
    const { data: keys } = await owner.api.serviceAccounts.listKeys({ params: one });
    expect(keys[0]?.created_by).toEqual({ id: maker.id, name: "Deleted user" });
    const { data } = await owner.api.serviceAccounts.get({ params: one });
    expect(data.created_by.name).toBe("Deleted user");
  });

  test("stop when the account is deactivated, on every server, and work again", async () => {
    const robot = await account();
    await works(robot);
    const update = (is_active: boolean) =>
      owner.api.serviceAccounts.update({ params: robot.params, body: { is_active } });
    expect((await update(false)).data.is_active).toBe(false);
    await ended(robot);
    const key = { ...robot.params, key_id: robot.keyId };
    const rotation = owner.api.serviceAccounts.rotateKey({ params: key });
    await expectProblem(rotation, 409, "service_account_inactive");
    const creation = owner.api.serviceAccounts.createKey({
      params: robot.params,
      body: { name: "k" },
    });
    await expectProblem(creation, 409, "service_account_inactive");
    await update(true);
    await works(robot);
    const { data: events } = await owner.api.audit.list({ params: params() });
    const actions = events.map(({ action }) => action);
    expect(actions.slice(0, 2)).toEqual([
      "service_account.reactivated",
      "service_account.deactivated",
    ]);
    await owner.api.serviceAccounts.delete({ params: robot.params });
    await ended(robot);
  });

  test("stop when the organization is archived", async () => {
    const robot = await account();
    await owner.api.organizations.archive({ params: params() });
    await ended(robot);
    const attempt = owner.api.serviceAccounts.createKey({
      params: robot.params,
      body: { name: "k" },
    });
    await expectProblem(attempt, 409, "organization_archived");
    await owner.api.organizations.restore({ params: params() });
    await works(robot);
  });

  test("get fewer permissions with the role, at once on every server", async () => {
    const robot = await account("member");
    const allowed = async () =>
      Promise.all(
        [app, sibling].map(async (process) => {
          const { data } = await process
            .client(robot.key)
            .organizations.permissions({ params: params(), query: { check: "project:write" } });
          return (data as { allowed: boolean }).allowed;
        }),
      );
    expect(await allowed()).toEqual([true, true]);
    await owner.api.serviceAccounts.update({
      params: robot.params,
      body: { role_id: systemRoleIds.viewer },
    });
    expect(await allowed()).toEqual([false, false]);
    const creation = makeProject({ ...owner, api: robot.api }, org.id);
    await expectProblem(creation, 403, "insufficient_permission");
  });

  test("are among the organization's keys, and can be revoked there", async () => {
    const robot = await account();
    const { data: keys } = await owner.api.apiKeys.listOfOrganization({ params: params() });
    expect(keys).toMatchObject([
      {
        id: robot.keyId,
        is_only_here: true,
        owner: {
          kind: "service_account",
          id: robot.account.id,
          email: null,
          full_name: robot.account.name,
        },
      },
    ]);
    await owner.api.apiKeys.shutOut({ params: { ...params(), key_id: robot.keyId } });
    await ended(robot);
  });

  test("are announced to the owners when they end soon or have leaked", async () => {
    const robot = await account();
    await queryAsOwner(
      app,
      `update api_keys set created_at = now() - interval '30 days', expires_at = now() + interval '1 day'
       where id = $1`,
      [robot.keyId],
    );
    await queryAsOwner(app, "update users set is_verified = true where id = $1", [owner.id]);
    await announceExpiringKeys(app.db);
    await dispatchEvents(app.db);
    const listed = await owner.api.notifications.deliveries({ query: {} });
    expect(listed.data.map(({ text }) => text)).toEqual([
      expect.stringMatching(/^The API key “.*” expires/),
    ]);
    const ofAccount = "select from notifications where user_id = $1";
    expect(await queryAsOwner(app, ofAccount, [robot.account.id])).toEqual([]);
    const page = `${app.url}/organizations/${org.id}/settings?tab=service-accounts`;
    const { data: leaked } = await owner.api.serviceAccounts.createKey({
      params: robot.params,
      body: { name: "leaked" },
    });
    await app.client().apiKeys.revokeLeaked({ body: { key: leaked.key as string } });
    await ended({ key: leaked.key as string });
    await expect
      .poll(async () =>
        (await mailsTo(app, owner.email.toLowerCase())).some(({ text }) => text.includes(page)),
      )
      .toBe(true);
  });
});

describe("at the same time", () => {
  test("many rotations of one key: one wins", async () => {
    const robot = await account();
    const outcomes = await Promise.allSettled(
      Array.from({ length: 8 }, (_, index) =>
        (index % 2 === 0 ? app : sibling)
          .client(owner.token)
          .serviceAccounts.rotateKey({ params: { ...robot.params, key_id: robot.keyId } }),
      ),
    );
    expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    const { data } = await owner.api.serviceAccounts.get({ params: robot.params });
    expect(data.active_keys).toBe(1);
  });
});
