import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  expectProblem,
  startTestApp,
  type TestApp,
  type TestPerson,
} from "#test/support/server/app.js";
import { makeOrganization, makeProject, makeWorkspace } from "#test/support/fixtures/factories.js";
import { systemRoleIds } from "../../../db/migrate.js";
import { verifyInstallationLog } from "../../../db/audit/installation-audit.js";
import { queryAsOwner } from "#test/support/database/queries.js";

describe("super admins", () => {
  let app: TestApp;
  let root: TestPerson;
  beforeAll(async () => {
    app = await startTestApp();
    root = await app.person("root");
  });
  afterAll(() => app.close());

  const paramsOf = ({ id }: { id: string }) => ({ params: { user_id: id } });

  test("have exclusive access; others get 404", async () => {
    const ann = await app.person("ann");
    const calls = (api: TestPerson["api"]) => [
      api.admin.users(),
      api.admin.user(paramsOf(root)),
      api.admin.disable(paramsOf(root)),
      api.admin.enable(paramsOf(root)),
      api.admin.removeSecondFactor(paramsOf(root)),
      api.admin.signOut(paramsOf(root)),
      api.admin.promote(paramsOf(ann)),
      api.admin.demote(paramsOf(root)),
      api.admin.resetPassword(paramsOf(root)),
      api.admin.export(paramsOf(root)),
      api.admin.delete(paramsOf(root)),
      api.admin.usage(),
      api.admin.organizations(),
      api.admin.auditEvents(),
    ];
    await Promise.all(calls(ann.api).map((call) => expectProblem(call, 404, "not_found")));
    await Promise.all(
      calls(app.client()).map((call) => expectProblem(call, 401, "unauthenticated")),
    );
    // A key that is narrower than its creator has no super admin rights.
    const { id } = await makeOrganization(root);
    const { data } = await root.api.apiKeys.create({
      body: { name: "narrow", organization_id: id },
    });
    await expectProblem(app.client(data.key as string).admin.users(), 404, "not_found");
    const { data: full } = await root.api.apiKeys.create({ body: { name: "full" } });
    expect((await app.client(full.key as string).admin.users()).status).toBe(200);
    await expectProblem(root.api.admin.user(paramsOf({ id })), 404, "not_found");
  });

  test("search users page by page", async () => {
    const people = [await app.person("zoe"), await app.person("zoe")];
    const { data, headers } = await root.api.admin.users({ query: { search: "ZOE", limit: 1 } });
    expect(data.map(({ id }) => id)).toEqual([people[1]?.id]);
    const next = new URL(/<([^>]+)>/.exec(headers.get("link") ?? "")?.[1] ?? "", app.url);
    const cursor = next.searchParams.get("cursor") ?? "";
    const second = await root.api.admin.users({ query: { search: "zoe", limit: 1, cursor } });
    expect(second.data.map(({ id }) => id)).toEqual([people[0]?.id]);
    expect((await root.api.admin.users({ query: { search: "%" } })).data).toEqual([]);
    const admins = await root.api.admin.users({ query: { is_super_admin: "true" } });
    expect(admins.data.map(({ id }) => id)).toEqual([root.id]);
  });

  test("disable a user, whose sessions and keys end in every process", async () => {
    const ann = await app.person("ann");
    const other = await app.sibling();
    const { data: key } = await ann.api.apiKeys.create({ body: { name: "mine" } });
    const credentials = [ann.token, key.key as string];
    for (const where of [app, other]) {
      for (const token of credentials) await where.client(token).auth.me();
    }
    const { data } = await root.api.admin.disable(paramsOf(ann));
    expect(data).toMatchObject({ is_active: false, sessions: 0 });
    for (const where of [app, other]) {
      for (const token of credentials) {
        await expectProblem(where.client(token).auth.me(), 401, "invalid_token");
      }
      const { email, password } = ann;
      const login = where.client().auth.login({ body: { email, password } });
      await expectProblem(login, 401, "invalid_credentials");
      await expectProblem(
        where.client().auth.refresh({ body: { refresh_token: ann.refreshToken } }),
        401,
        "invalid_token",
      );
    }
    await expectProblem(root.api.admin.resetPassword(paramsOf(ann)), 409, "user_disabled");
    await expectProblem(root.api.admin.promote(paramsOf(ann)), 409, "user_disabled");
    await root.api.admin.enable(paramsOf(ann));
    for (const where of [app, other]) {
      await where.client(key.key as string).auth.me();
      await expectProblem(where.client(ann.token).auth.me(), 401, "invalid_token");
    }
    await app.client().auth.login({ body: { email: ann.email, password: ann.password } });
    await other.close();
  });

  test("help a locked-out user", async () => {
    const ann = await app.person("ann");
    await queryAsOwner(
      app,
      "insert into totp_secrets (user_id, sealed_secret, confirmed_at) values ($1, '', now())",
      [ann.id],
    );
    const { email, password } = ann;
    const login = () => app.client().auth.login({ body: { email, password } });
    await expectProblem(login(), 401, "second_factor_required");
    await root.api.admin.removeSecondFactor(paramsOf(ann));
    await login();
    const { data } = await root.api.admin.resetPassword(paramsOf(ann));
    expect(data.reset_url).toMatch(`${app.url}/reset-password?token=`);
    const body = {
      token: new URL(data.reset_url).searchParams.get("token") ?? "",
      new_password: "another staple horse",
    };
    await app.client().auth.resetPassword({ body });
    await expectProblem(app.client().auth.resetPassword({ body }), 400, "invalid_link");
    await expectProblem(login(), 401, "invalid_credentials");
    await expectProblem(ann.api.auth.me(), 401, "invalid_token");
    const { data: tokens } = await app.client().auth.login({
      body: { email, password: body.new_password },
    });
    await root.api.admin.signOut(paramsOf(ann));
    await expectProblem(app.client(tokens.access_token).auth.me(), 401, "invalid_token");
  });

  test("cannot all be demoted, even concurrently", async () => {
    await expectProblem(root.api.admin.demote(paramsOf(root)), 409, "last_super_admin");
    await expectProblem(root.api.admin.disable(paramsOf(root)), 409, "last_super_admin");
    await expectProblem(root.api.admin.delete(paramsOf(root)), 409, "last_super_admin");
    const ann = await app.person("ann");
    await root.api.admin.promote(paramsOf(ann));
    expect((await ann.api.auth.me()).data.is_super_admin).toBe(true);
    const results = await Promise.allSettled([
      root.api.admin.demote(paramsOf(ann)),
      ann.api.admin.demote(paramsOf(root)),
    ]);
    expect(results.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    const left = [root, ann][results[0]?.status === "fulfilled" ? 0 : 1] as TestPerson;
    const { data } = await left.api.admin.users({ query: { is_super_admin: "true" } });
    expect(data.map(({ id }) => id)).toEqual([left.id]);
    if (left === ann) {
      await ann.api.admin.promote(paramsOf(root));
      await root.api.admin.demote(paramsOf(ann));
    }
  });

  test("delete a user, who stays in logs as Deleted user", async () => {
    const owner = await app.person("owner");
    const ann = await app.person("ann-example");
    const org = await makeOrganization(owner);
    const params = { org_id: org.id };
    const { data: member } = await owner.api.members.add({
      params,
      body: { user_id: ann.id, role_id: systemRoleIds.owner },
    });
    const project = await makeProject(ann, org.id);
    const { agent } = await makeWorkspace(ann, project.id);
    await ann.api.runs.create({ params: { agent_id: agent.id }, body: { external: true } });
    const { data: key } = await ann.api.apiKeys.create({ body: { name: "key of ann" } });
    await ann.api.notifications.set({
      body: { choices: [{ kind: "conflict", email: false, webhook: false, scope: "own" }] },
    });
    await ann.api.notifications.setWebhook({ body: { url: "https://8.8.8.8/ann-example" } });
    const { data: exported } = await root.api.admin.export(paramsOf(ann));
    expect(exported.user.email).toBe(ann.email);
    expect(exported.memberships).toHaveLength(1);
    expect(exported.api_keys[0]?.["name"]).toBe("key of ann");
    expect(exported.audit_events.length).toBeGreaterThan(0);
    expect(exported.notification_choices).toContainEqual({
      organization_name: null,
      kind: "conflict",
      email: false,
      webhook: false,
      scope: "own",
    });
    expect(JSON.stringify(exported)).not.toMatch(/argon2|key_hash/);

    const { data: owned } = await root.api.admin.user(paramsOf(owner));
    expect(owned.memberships[0]?.is_last_owner).toBe(false);
    await owner.api.members.remove({ params: { ...params, member_id: await memberOf(owner) } });
    async function memberOf(person: TestPerson): Promise<string> {
      const { data } = await person.api.members.list({ params });
      return data.find(({ user_id }) => user_id === person.id)?.id as string;
    }
    const problem = await expectProblem(root.api.admin.delete(paramsOf(ann)), 409, "last_owner");
    expect(problem["organizations"]).toEqual([org.id]);
    await ann.api.members.add({
      params,
      body: { user_id: owner.id, role_id: systemRoleIds.owner },
    });
    await root.api.admin.delete(paramsOf(ann));
    await expectProblem(ann.api.auth.me(), 401, "invalid_token");
    await expectProblem(app.client(key.key as string).auth.me(), 401, "invalid_token");
    await expectProblem(root.api.admin.user(paramsOf(ann)), 404, "not_found");
    await expectProblem(root.api.admin.enable(paramsOf(ann)), 404, "not_found");

    const { data: events } = await owner.api.audit.list({ params });
    expect(JSON.stringify(events)).not.toContain("ann-example");
    expect(events.find(({ actor }) => actor.id === ann.id)?.actor.name).toBe("Deleted user");
    expect(events.find(({ target }) => target.id === member.id)?.target.name).toBe("Deleted user");
    const { data: runs } = await owner.api.runs.list({ params: { agent_id: agent.id } });
    expect(runs[0]?.started_by?.name).toBe("Deleted user");
    const recorded = await queryAsOwner(app, "select data from events where org_id = $1", [org.id]);
    expect(JSON.stringify(recorded)).toContain("Deleted user");
    expect(JSON.stringify(recorded)).not.toContain("ann-example");
    const [row] = await queryAsOwner(app, "select * from users where id = $1", [ann.id]);
    expect(JSON.stringify(row)).not.toContain("ann-example");
    const personal = await queryAsOwner(
      app,
      `select user_id from notification_choices where user_id = $1
      union all select user_id from notification_webhooks where user_id = $1`,
      [ann.id],
    );
    expect(personal).toEqual([]);
    // The address can be registered again.
    await app.client().auth.register({ body: { email: ann.email, password: ann.password } });
  });

  test("see usage of the installation and of each organization", async () => {
    const { data } = await root.api.admin.usage();
    const { data: rows } = await root.api.admin.organizations({ query: { limit: 200 } });
    expect(data.organizations).toBe(rows.length);
    expect(data.projects).toBe(rows.reduce((sum, { projects }) => sum + projects, 0));
    expect(data.users.super_admins).toBe(1);
  });

  test("leave a hash chain of their actions", async () => {
    const { data } = await root.api.admin.auditEvents({ query: { limit: 200 } });
    expect(data.map(({ sequence }) => sequence)).toEqual(
      data.map((_event, index) => data.length - index),
    );
    expect(new Set(data.map(({ action }) => action))).toEqual(
      new Set([
        "user.disabled",
        "user.enabled",
        "user.password_reset",
        "user.second_factor_removed",
        "user.signed_out",
        "user.promoted",
        "user.demoted",
        "user.exported",
        "user.deleted",
      ]),
    );
    expect(JSON.stringify(data)).not.toContain("ann-example");
    const verified = () => app.db.withSystem("verify", verifyInstallationLog);
    expect(await verified()).toEqual({ events: data.length, faults: [] });
    await queryAsOwner(app, "alter table installation_events disable trigger user");
    await queryAsOwner(app, "update installation_events set ip = '8.8.8.8' where sequence = 2");
    expect((await verified()).faults.map(({ sequence }) => sequence)).toEqual([2]);
  });
});
