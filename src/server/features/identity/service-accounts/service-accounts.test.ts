import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Organization } from "#shared/api/organization/organizations.js";
import { makeOrganization, makeProject } from "#test/support/fixtures/factories.js";
import { makeServiceAccount } from "#test/support/fixtures/service-accounts.js";
import { queryAsOwner } from "#test/support/database/queries.js";
import {
  expectProblem,
  startTestApp,
  type TestApp,
  type TestPerson,
} from "#test/support/server/app.js";
import { nextCursor } from "#test/support/http/next-cursor.js";
import { systemRoleIds } from "../../../db/migrate.js";

let app: TestApp;
let owner: TestPerson;
let org: Organization;
beforeAll(async () => {
  app = await startTestApp();
  owner = await app.person("Ada");
});
beforeEach(async () => {
  org = await makeOrganization(owner);
});
afterAll(() => app.close());

const params = () => ({ org_id: org.id });
const create = (
  body: Partial<Parameters<typeof owner.api.serviceAccounts.create>[0]["body"]> = {},
) =>
  owner.api.serviceAccounts.create({
    params: params(),
    body: { name: "ci", role_id: systemRoleIds.member, ...body },
  });
const join = async (role: "admin" | "member" | "viewer" | "owner") => {
  const person = await app.person(role);
  const body = { user_id: person.id, role_id: systemRoleIds[role] };
  const { data } = await owner.api.members.add({ params: params(), body });
  return { ...person, memberId: data.id };
};
const events = async (action: string) =>
  (await owner.api.audit.list({ params: params(), query: { action: action as never } })).data;

describe("service accounts", () => {
  test("are created, listed, changed and deleted, and the audit log says so", async () => {
    const { data: account, headers } = await create({ description: "Builds" });
    expect(headers.get("location")).toBe(
      `/api/v1/organizations/${org.id}/service-accounts/${account.id}`,
    );
    expect(account).toMatchObject({
      organization_id: org.id,
      name: "ci",
      description: "Builds",
      role_id: systemRoleIds.member,
      role_name: "member",
      is_active: true,
      active_keys: 0,
      last_used_at: null,
      created_by: { id: owner.id },
    });
    const one = { ...params(), service_account_id: account.id };
    const { data: shown, headers: shownHeaders } = await owner.api.serviceAccounts.get({
      params: one,
    });
    expect(shown).toEqual(account);
    const { data: second } = await create({ name: "deploy" });
    const list = await owner.api.serviceAccounts.list({ params: params(), query: { limit: 1 } });
    expect(list.data).toEqual([account]);
    const cursor = nextCursor(list.headers) as string;
    const rest = await owner.api.serviceAccounts.list({ params: params(), query: { cursor } });
    expect(rest.data).toEqual([second]);

    const seen = { headers: { "if-match": shownHeaders.get("etag") ?? "" } };
    const { data: changed } = await owner.api.serviceAccounts.update(
      {
        params: one,
        body: { name: "ci-2", description: null, role_id: systemRoleIds.viewer },
      },
      seen,
    );
    expect(changed).toMatchObject({ name: "ci-2", description: null, role_name: "viewer" });
    const late = owner.api.serviceAccounts.update({ params: one, body: { name: "x" } }, seen);
    await expectProblem(late, 412, "stale");
    expect(await events("service_account.updated")).toMatchObject([
      {
        target: { type: "service_account", id: account.id, name: "ci-2" },
        changes: { name: { from: "ci", to: "ci-2" }, role_name: { from: "member", to: "viewer" } },
      },
    ]);

    await owner.api.serviceAccounts.delete({ params: one });
    await expectProblem(owner.api.serviceAccounts.get({ params: one }), 404, "not_found");
    await expectProblem(owner.api.serviceAccounts.delete({ params: one }), 404, "not_found");
    expect(await events("service_account.deleted")).toMatchObject([
      { target: { id: account.id, name: "ci-2" } },
    ]);
    expect((await events("service_account.created")).map(({ target }) => target.name)).toEqual([
      "deploy",
      "ci",
    ]);
  });

  test("have a name of their own, whatever its case, until they are deleted", async () => {
    const { data: account } = await create();
    await expectProblem(create({ name: "CI" }), 409, "name_taken");
    const { data: second } = await create({ name: "deploy" });
    const one = { ...params(), service_account_id: second.id };
    const rename = owner.api.serviceAccounts.update({ params: one, body: { name: "ci" } });
    await expectProblem(rename, 409, "name_taken");
    await owner.api.serviceAccounts.delete({
      params: { ...params(), service_account_id: account.id },
    });
    expect((await create()).data.id).not.toBe(account.id);
  });

  test("are members that people see as such, and no people", async () => {
    const { account } = await makeServiceAccount(app, owner, org.id);
    const { data: members } = await owner.api.members.list({ params: params() });
    expect(members).toMatchObject([
      { kind: "user", user_id: owner.id },
      {
        kind: "service_account",
        id: account.member_id,
        user_id: account.id,
        agent_id: null,
        email: null,
        display_name: account.name,
        role_name: "member",
      },
    ]);
    const { data: shown } = await owner.api.organizations.list({});
    expect(shown.find(({ id }) => id === org.id)?.counts).toMatchObject({ members: 2, people: 1 });
    // The first user of an installation is its super admin.
    const { data: users } = await owner.api.admin.users({ query: { search: account.name } });
    expect(users).toEqual([]);
    const found = owner.api.admin.user({ params: { user_id: account.id } });
    await expectProblem(found, 404, "not_found");
    const disabled = owner.api.admin.disable({ params: { user_id: account.id } });
    await expectProblem(disabled, 404, "not_found");
  });

  test("own no organization, join no other one, and leave by being deleted", async () => {
    const { account, api } = await makeServiceAccount(app, owner, org.id, { role: "admin" });
    const asOwner = { role_id: systemRoleIds.owner };
    await expectProblem(create({ name: "boss", ...asOwner }), 422, "validation_failed");
    const one = { ...params(), service_account_id: account.id };
    const raised = owner.api.serviceAccounts.update({ params: one, body: asOwner });
    await expectProblem(raised, 422, "validation_failed");
    const member = { ...params(), member_id: account.member_id };
    const made = owner.api.members.update({ params: member, body: asOwner });
    await expectProblem(made, 422, "validation_failed");
    const transferred = owner.api.organizations.transfer({
      params: params(),
      body: { user_id: account.id },
    });
    await expectProblem(transferred, 422, "validation_failed");
    const removed = owner.api.members.remove({ params: member });
    await expectProblem(removed, 409, "service_account_member");
    await expectProblem(api.members.remove({ params: member }), 409, "service_account_member");
    const other = await makeOrganization(owner);
    const added = owner.api.members.add({
      params: { org_id: other.id },
      body: { user_id: account.id, role_id: systemRoleIds.member },
    });
    await expectProblem(added, 422, "validation_failed");
    const { data } = await owner.api.members.update({
      params: member,
      body: { role_id: systemRoleIds.viewer },
    });
    expect(data).toMatchObject({ kind: "service_account", role_name: "viewer" });
    const unknown = create({ name: "x", role_id: randomUUID() });
    await expectProblem(unknown, 422, "validation_failed");
  });

  test("are managed by members whose permissions are not less", async () => {
    const admin = await join("admin");
    const viewer = await join("viewer");
    const list = viewer.api.serviceAccounts.list({ params: params() });
    await expectProblem(list, 403, "insufficient_permission");
    const { data: role } = await owner.api.roles.create({
      params: params(),
      body: {
        name: "robots",
        permissions: ["org:read", "project:read", "org:service-accounts:*"],
      },
    });
    const keeper = await app.person("keeper");
    const body = { user_id: keeper.id, role_id: role.id };
    await owner.api.members.add({ params: params(), body });
    const attempt = keeper.api.serviceAccounts.create({
      params: params(),
      body: { name: "strong", role_id: systemRoleIds.member },
    });
    const problem = await expectProblem(attempt, 403, "privilege_escalation");
    expect(problem["missing_permissions"]).toContain("project:write");
    const { data: weak } = await keeper.api.serviceAccounts.create({
      params: params(),
      body: { name: "weak", role_id: role.id },
    });
    const weakOne = { ...params(), service_account_id: weak.id };
    const raise = keeper.api.serviceAccounts.update({
      params: weakOne,
      body: { role_id: systemRoleIds.admin },
    });
    await expectProblem(raise, 403, "privilege_escalation");
    const { data: strong } = await admin.api.serviceAccounts.create({
      params: params(),
      body: { name: "strong", role_id: systemRoleIds.admin },
    });
    const strongOne = { ...params(), service_account_id: strong.id };
    const { serviceAccounts: calls } = keeper.api;
    const attempts = [
      () => calls.update({ params: strongOne, body: { is_active: false } }),
      () => calls.update({ params: strongOne, body: { role_id: role.id } }),
      () => calls.delete({ params: strongOne }),
    ];
    for (const attempt of attempts) await expectProblem(attempt(), 403, "privilege_escalation");
  });

  test("of another organization do not exist", async () => {
    const stranger = await app.person("stranger");
    const theirs = await makeOrganization(stranger);
    const { account, keyId } = await makeServiceAccount(app, stranger, theirs.id);
    const one = { ...params(), service_account_id: account.id };
    const key = { ...one, key_id: keyId };
    const { serviceAccounts: calls } = owner.api;
    const attempts = [
      () => calls.get({ params: one }),
      () => calls.update({ params: one, body: { name: "mine" } }),
      () => calls.delete({ params: one }),
      () => calls.listKeys({ params: one }),
      () => calls.createKey({ params: one, body: { name: "k" } }),
      () => calls.getKey({ params: key }),
      () => calls.revokeKey({ params: key }),
      () => calls.rotateKey({ params: key }),
    ];
    for (const attempt of attempts) await expectProblem(attempt(), 404, "not_found");
    const { account: own } = await makeServiceAccount(app, owner, org.id);
    const mixed = { ...params(), service_account_id: own.id, key_id: keyId };
    await expectProblem(calls.getKey({ params: mixed }), 404, "not_found");
    await expectProblem(calls.revokeKey({ params: mixed }), 404, "not_found");
    await expectProblem(calls.rotateKey({ params: mixed }), 404, "not_found");
  });

  test("cannot sign in: the database refuses every way", async () => {
    const { account } = await makeServiceAccount(app, owner, org.id);
    const refused = (text: string, values: unknown[] = [account.id]) =>
      expect(queryAsOwner(app, text, values)).rejects.toThrow(/service account|kind of a user/);
    await refused(`insert into sessions (id, user_id, expires_at)
      values (gen_random_uuid(), $1, now() + interval '1 day')`);
    await refused(`insert into accounts (id, user_id, provider_id, account_id, password_hash)
      values (gen_random_uuid(), $1, 'password', 'x', 'y')`);
    await refused(`insert into passkeys
      (id, user_id, name, credential_id, public_key, counter, transports, backed_up)
      values (gen_random_uuid(), $1, 'p', 'c', '', 0, '{}', false)`);
    await refused("update accounts set user_id = $1 where user_id = $2", [account.id, owner.id]);
    await refused("update users set kind = 'person', email = 'a@example.com' where id = $1");
    const other = await makeOrganization(owner);
    await refused(
      `insert into memberships (id, org_id, user_id, role_id) values (gen_random_uuid(), $2, $1, $3)`,
      [account.id, other.id, systemRoleIds.member],
    );
    await refused("update memberships set role_id = $2 where user_id = $1", [
      account.id,
      systemRoleIds.owner,
    ]);
    await refused("update api_keys set scopes = '{*:*}' where user_id = $1");
    await refused("update api_keys set scopes = array['org:' || $2 || ':*'] where user_id = $1", [
      account.id,
      other.id,
    ]);
    await expect(
      queryAsOwner(app, "update users set is_super_admin = true where id = $1", [account.id]),
    ).rejects.toThrow(/users_service_account/);
    await expect(
      queryAsOwner(app, "update users set email = 'a@example.com' where id = $1", [account.id]),
    ).rejects.toThrow(/users_email_of_person/);
  });

  test("keep their names in logs after they are deleted", async () => {
    const { account, api } = await makeServiceAccount(app, owner, org.id);
    const project = await makeProject({ ...owner, api }, org.id);
    await owner.api.serviceAccounts.delete({
      params: { ...params(), service_account_id: account.id },
    });
    const [event] = await events("project.created");
    expect(event).toMatchObject({
      actor: { type: "service_account", id: account.id, name: account.name },
      target: { id: project.id },
    });
    const { data: members } = await owner.api.members.list({ params: params() });
    expect(members.map(({ user_id }) => user_id)).toEqual([owner.id]);
    await expectProblem(api.projects.list({}), 401, "invalid_token");
    const keys = await queryAsOwner(
      app,
      "select count(*)::int as live from api_keys where user_id = $1 and revoked_at is null",
      [account.id],
    );
    expect(keys).toEqual([{ live: 0 }]);
  });
});
