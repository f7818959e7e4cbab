import { randomBytes, randomUUID } from "node:crypto";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { SentInvitation } from "#shared/api/organization/invitations.js";
import type { Organization } from "#shared/api/organization/organizations.js";
import {
  expectProblem,
  startTestApp,
  type TestApp,
  type TestPerson,
} from "#test/support/server/app.js";
import { makeOrganization } from "#test/support/fixtures/factories.js";
import { queryAsOwner } from "#test/support/database/queries.js";
import { mailsTo } from "#test/support/mail/outbox.js";
import { nextCursor } from "#test/support/http/next-cursor.js";
import { fieldsOf, send, withoutRequestId } from "#test/support/http/raw-request.js";
import { systemRoleIds } from "../../../db/migrate.js";

let app: TestApp;
let owner: TestPerson;
let person: TestPerson;
let org: Organization;
let params: { org_id: string };
beforeAll(async () => {
  app = await startTestApp({ OMOI_INVITATION_DAYS: "3" });
  owner = await app.person("owner");
});
beforeEach(async () => {
  // Registrations are limited by address, and these tests need many users.
  await queryAsOwner(app, "delete from rate_limits where bucket like 'sign-up %'");
  person = await app.person("person");
  org = await makeOrganization(owner);
  params = { org_id: org.id };
});
afterAll(() => app.close());

const invite = async (
  email: string,
  role: keyof typeof systemRoleIds = "viewer",
  by = owner,
): Promise<SentInvitation> =>
  (await by.api.invitations.create({ params, body: { email, role_id: systemRoleIds[role] } })).data;
const tokenOf = ({ invite_url }: SentInvitation): string => invite_url?.split("/").at(-1) as string;
const at = ({ id }: { id: string }) => ({ params: { ...params, invitation_id: id } });
const offer = async (token: string) =>
  (await app.client().invitations.get({ params: { token } })).data;
const accept = (who: TestPerson, token: string) =>
  who.api.invitations.accept({ params: { token } });
const list = async () => (await owner.api.invitations.list({ params })).data;
const addMember = async (who: TestPerson, role: keyof typeof systemRoleIds) =>
  owner.api.members.add({ params, body: { user_id: who.id, role_id: systemRoleIds[role] } });
const expire = ({ id }: { id: string }) =>
  queryAsOwner(app, "update invitations set expires_at = now() - interval '1 s' where id = $1", [
    id,
  ]);
const actions = async (): Promise<string[]> =>
  (await owner.api.audit.list({ params })).data.map(({ action }) => action);

describe("inviting", () => {
  test("returns the invitation with its link, which is stored nowhere else", async () => {
    const sent = await invite(person.email.toUpperCase(), "member");
    expect(sent).toEqual({
      id: expect.any(String) as string,
      email: person.email,
      role_id: systemRoleIds.member,
      role_name: "member",
      status: "pending",
      invited_by: { id: owner.id, name: "owner" },
      created_at: expect.any(String) as string,
      expires_at: expect.any(String) as string,
      invite_url: expect.stringMatching(
        new RegExp(`^${app.url}/invitations/[\\w-]{43}$`),
      ) as string,
    });
    const days = (Date.parse(sent.expires_at) - Date.parse(sent.created_at)) / 86_400_000;
    expect(days).toBeCloseTo(3, 2);
    const { invite_url: _shownOnce, ...rest } = sent;
    expect(await list()).toEqual([rest]);
    const rows = await queryAsOwner<{ text: string }>(
      app,
      "select invitations::text || encode(token_hash, 'escape') as text from invitations where id = $1",
      [sent.id],
    );
    const events = await owner.api.audit.list({ params });
    expect(JSON.stringify([rows, events.data])).not.toContain(tokenOf(sent));
  });

  test("emails inviter, organization, role, expiry and link", async () => {
    const sent = await invite(person.email, "admin");
    const mails = async () =>
      (await mailsTo(app, person.email)).filter(({ text }) => text.includes("/invitations/"));
    await expect.poll(async () => (await mails()).length).toBe(1);
    const [mail] = await mails();
    expect(mail?.text).toContain(`“owner” invites you to join the organization “${org.name}”`);
    expect(mail?.text).toContain("with the role “admin”");
    expect(mail?.text.split("\n")).toContain(sent.invite_url);
    expect(mail?.text).toContain(sent.expires_at.slice(11, 16));
  });

  test("an address has one open invitation; an expired one is replaced", async () => {
    const first = await invite(person.email);
    await expectProblem(invite(person.email, "admin"), 409, "already_invited");
    await expire(first);
    const second = await invite(person.email);
    expect(await list()).toEqual([expect.objectContaining({ id: second.id, status: "pending" })]);
    await expectProblem(
      app.client().invitations.get({ params: { token: tokenOf(first) } }),
      404,
      "not_found",
    );
    await owner.api.invitations.revoke(at(second));
    const third = await invite(person.email);
    expect((await list()).map(({ id, status }) => [id, status])).toEqual([
      [third.id, "pending"],
      [second.id, "revoked"],
    ]);
    const elsewhere = await makeOrganization(owner);
    const body = { email: person.email, role_id: systemRoleIds.viewer };
    const other = await owner.api.invitations.create({ params: { org_id: elsewhere.id }, body });
    expect(other.status).toBe(201);
  });

  test("a member cannot be invited, and the answer for others reveals no account", async () => {
    await addMember(person, "viewer");
    await expectProblem(invite(person.email), 409, "already_member");
    await expectProblem(invite(owner.email), 409, "already_member");
    const known = await invite((await app.person()).email);
    const unknown = await invite("nobody-yet@example.com");
    expect(Object.keys(known)).toEqual(Object.keys(unknown));
    expect(Object.keys(await offer(tokenOf(known)))).toEqual(
      Object.keys(await offer(tokenOf(unknown))),
    );
  });

  test("inviting, resending and revoking require the role's permissions", async () => {
    await addMember(person, "admin");
    const problem = await expectProblem(
      invite("boss@example.com", "owner", person),
      403,
      "privilege_escalation",
    );
    expect(problem.missing_permissions).toContain("org:archive");
    const boss = await invite("boss@example.com", "owner");
    await expectProblem(person.api.invitations.resend(at(boss)), 403, "privilege_escalation");
    await expectProblem(person.api.invitations.revoke(at(boss)), 403, "privilege_escalation");
    expect((await invite("peer@example.com", "admin", person)).invited_by?.id).toBe(person.id);
    const { data: key } = await owner.api.apiKeys.create({
      body: { name: "k", scopes: [`org:${org.slug}:org:members:write`] },
    });
    const body = { email: "low@example.com", role_id: systemRoleIds.viewer };
    const byKey = app.client(key.key as string).invitations.create({ params, body });
    await expectProblem(byKey, 403, "privilege_escalation");
  });

  test("requires org:members:write; listing requires org:members:read", async () => {
    const sent = await invite("guest@example.com");
    await addMember(person, "viewer");
    for (const call of [
      () => invite("other@example.com", "viewer", person),
      () => person.api.invitations.resend(at(sent)),
      () => person.api.invitations.revoke(at(sent)),
    ]) {
      const problem = await expectProblem(call(), 403, "insufficient_permission");
      expect(problem.missing_permissions).toEqual(["org:members:write"]);
    }
    expect((await person.api.invitations.list({ params })).data).toHaveLength(1);
    const executor = await app.person();
    await addMember(executor, "agent_executor");
    await expectProblem(executor.api.invitations.list({ params }), 403, "insufficient_permission");
  });

  test.each([
    [{ email: "nobody", role_id: systemRoleIds.viewer }, "body.email"],
    [{ role_id: systemRoleIds.viewer }, "body.email"],
    [{ email: "a@example.com" }, "body.role_id"],
    [{ email: "a@example.com", role_id: "viewer" }, "body.role_id"],
    [{ email: "a@example.com", role_id: randomUUID() }, "body.role_id"],
    [{ email: "a@example.com", role_id: systemRoleIds.viewer, days: 90 }, "body.days"],
  ])("%j is 422 and names the field", async (body, field) => {
    const call = owner.api.invitations.create({ params, body: body as never });
    expect(fieldsOf(await expectProblem(call, 422, "validation_failed"))).toEqual([field]);
  });

  test("emails an address at most five times an hour and an organization's invitees a hundred times", async () => {
    const sent = await invite("flooded@example.com");
    for (let mail = 1; mail < 5; mail += 1) await owner.api.invitations.resend(at(sent));
    const path = `/api/v1/organizations/${org.id}/invitations/${sent.id}/resend`;
    const limited = await send(app, "POST", path, { token: owner.token });
    expect([limited.status, JSON.parse(limited.text)]).toMatchObject([
      429,
      { code: "rate_limited" },
    ]);
    expect(Number(limited.headers.get("retry-after"))).toBeGreaterThan(0);
    expect(limited.headers.get("ratelimit-policy")).toBe('"default";q=5;w=3600');
    await queryAsOwner(app, "update rate_limits set hits = 100 where bucket = $1", [
      `invitations of ${org.id}`,
    ]);
    await expectProblem(invite("another@example.com"), 429, "rate_limited");
    org = await makeOrganization(owner);
    params = { org_id: org.id };
    expect((await invite("another@example.com")).status).toBe("pending");
    // Rejected invitations are neither sent nor counted.
    for (let time = 0; time < 6; time += 1) {
      await expectProblem(invite("another@example.com"), 409, "already_invited");
    }
  });

  test("a replayed request has no link", async () => {
    const body = { email: person.email, role_id: systemRoleIds.viewer };
    const headers = { "idempotency-key": randomUUID() };
    const { data: first } = await owner.api.invitations.create({ params, body }, { headers });
    const { data: again } = await owner.api.invitations.create({ params, body }, { headers });
    expect(first.invite_url).not.toBeNull();
    expect(again).toEqual({ ...first, invite_url: null });
    const [kept] = await queryAsOwner<{ body: string }>(
      app,
      "select body from idempotency_keys where key = $1",
      [headers["idempotency-key"]],
    );
    expect(kept?.body).not.toContain(tokenOf(first));
  });

  test("are listed in pages, newest first", async () => {
    const made: string[] = [];
    for (let number = 0; number < 5; number += 1) {
      made.unshift((await invite(`p${number}-${randomUUID()}@example.com`)).id);
    }
    const seen: string[] = [];
    let cursor: string | undefined;
    do {
      const query = { limit: 2, ...(cursor === undefined ? {} : { cursor }) };
      const answer = await owner.api.invitations.list({ params, query });
      seen.push(...answer.data.map(({ id }) => id));
      cursor = nextCursor(answer.headers);
    } while (cursor !== undefined);
    expect(seen).toEqual(made);
    const bad = owner.api.invitations.list({ params, query: { cursor: "x" } });
    await expectProblem(bad, 422, "validation_failed");
  });
});

describe("accepting", () => {
  test("joins once with the role, recorded in the audit log", async () => {
    const sent = await invite(person.email, "member");
    const { status, data: member } = await accept(person, tokenOf(sent));
    expect(status).toBe(200);
    expect(member).toMatchObject({
      user_id: person.id,
      organization_id: org.id,
      role_name: "member",
      invited_by: owner.id,
    });
    expect((await person.api.organizations.get({ params })).data.id).toBe(org.id);
    const again = await expectProblem(accept(person, tokenOf(sent)), 409, "invitation_not_pending");
    expect(again["invitation_status"]).toBe("accepted");
    expect(await list()).toEqual([expect.objectContaining({ id: sent.id, status: "accepted" })]);
    const { data: events } = await owner.api.audit.list({ params });
    expect(events.slice(0, 3)).toEqual([
      expect.objectContaining({
        action: "member.added",
        target: { type: "member", id: member.id, name: "person" },
        actor: expect.objectContaining({ id: person.id }) as object,
      }),
      expect.objectContaining({
        action: "invitation.accepted",
        target: { type: "invitation", id: sent.id, name: person.email },
        changes: { role_name: { from: null, to: "member" } },
      }),
      expect.objectContaining({ action: "invitation.created" }),
    ]);
  });

  test("requires the invited address, by a session or a key with full access", async () => {
    const token = tokenOf(await invite(person.email));
    const another = await app.person();
    await expectProblem(accept(another, token), 403, "invitation_for_another");
    const own = await makeOrganization(person);
    const { data: narrow } = await person.api.apiKeys.create({
      body: { name: "k", organization_id: own.id },
    });
    const byNarrow = app.client(narrow.key as string).invitations.accept({ params: { token } });
    await expectProblem(byNarrow, 403, "insufficient_permission");
    const byNobody = app.client().invitations.accept({ params: { token } });
    await expectProblem(byNobody, 401, "unauthenticated");
    const { data: full } = await person.api.apiKeys.create({ body: { name: "k" } });
    const { data: member } = await app
      .client(full.key as string)
      .invitations.accept({ params: { token } });
    expect(member.user_id).toBe(person.id);
  });

  test("with an invalid link is 404", async () => {
    const unknown = randomBytes(32).toString("base64url");
    const answers = [];
    for (const token of [unknown, "garbled", `${unknown}x`, "%00", "🦊"]) {
      const path = `/api/v1/invitations/${encodeURIComponent(token)}`;
      answers.push(
        withoutRequestId(await send(app, "GET", path)),
        withoutRequestId(await send(app, "POST", `${path}/accept`, { token: person.token })),
      );
      expect((await send(app, "GET", path)).status).toBe(404);
    }
    expect(new Set(answers).size).toBe(1);
  });

  test("of an expired or revoked one is 409 with the reason", async () => {
    const expired = await invite(person.email);
    await expire(expired);
    const late = await expectProblem(
      accept(person, tokenOf(expired)),
      409,
      "invitation_not_pending",
    );
    expect(late["invitation_status"]).toBe("expired");
    expect((await offer(tokenOf(expired))).status).toBe("expired");
    await owner.api.invitations.revoke(at(expired));
    const revoked = await expectProblem(
      accept(person, tokenOf(expired)),
      409,
      "invitation_not_pending",
    );
    expect(revoked["invitation_status"]).toBe("revoked");
    expect(await offer(tokenOf(expired))).toMatchObject({ status: "revoked", can_register: false });
    await expectProblem(person.api.organizations.get({ params }), 404, "not_found");
  });

  test("by an existing member uses it up and keeps the role", async () => {
    const sent = await invite(person.email, "admin");
    await addMember(person, "viewer");
    await expectProblem(owner.api.invitations.resend(at(sent)), 409, "already_member");
    expect((await accept(person, tokenOf(sent))).data.role_name).toBe("viewer");
    expect((await offer(tokenOf(sent))).status).toBe("accepted");
    expect((await actions()).slice(0, 2)).toEqual(["invitation.accepted", "member.added"]);
  });

  test("is revoked when its inviter is removed, leaves, or could no longer create it", async () => {
    const ends = {
      removed: (member_id: string) =>
        owner.api.members.remove({ params: { ...params, member_id } }),
      left: (member_id: string, admin: TestPerson) =>
        admin.api.members.remove({ params: { ...params, member_id } }),
      demoted: (member_id: string) =>
        owner.api.members.update({
          params: { ...params, member_id },
          body: { role_id: systemRoleIds.viewer },
        }),
    };
    for (const end of Object.values(ends)) {
      const admin = await app.person("admin");
      const { data: membership } = await addMember(admin, "admin");
      const sent = await invite(person.email, "member", admin);
      const kept = await invite("kept@example.com");
      await end(membership.id, admin);
      expect((await offer(tokenOf(sent))).status).toBe("revoked");
      const refused = await expectProblem(
        accept(person, tokenOf(sent)),
        409,
        "invitation_not_pending",
      );
      expect(refused["invitation_status"]).toBe("revoked");
      expect((await list()).find(({ id }) => id === sent.id)?.status).toBe("revoked");
      expect((await actions())[0]).toBe("invitation.revoked");
      // Other members' invitations stay.
      expect((await offer(tokenOf(kept))).status).toBe("pending");
      await owner.api.invitations.revoke(at(kept));
    }
  });

  test("survives a role change that still allows it, and not a transfer below it", async () => {
    const heir = await app.person("heir");
    await addMember(heir, "admin");
    const [admins, owners] = [
      await invite(person.email, "admin"),
      await invite("boss@example.com", "owner"),
    ];
    await owner.api.organizations.transfer({ params, body: { user_id: heir.id } });
    expect((await offer(tokenOf(owners))).status).toBe("revoked");
    expect((await accept(person, tokenOf(admins))).data.role_name).toBe("admin");
  });

  test("is checked again on acceptance: the inviter's role may grant less by then", async () => {
    const { data: role } = await owner.api.roles.create({
      params,
      body: { name: "host", permissions: ["org:*", "project:*"] },
    });
    const host = await app.person("host");
    await owner.api.members.add({ params, body: { user_id: host.id, role_id: role.id } });
    const sent = await invite(person.email, "agent_executor", owner);
    const weak = await host.api.invitations.create({
      params,
      body: { email: "weak@example.com", role_id: role.id },
    });
    await owner.api.roles.update({
      params: { ...params, role_id: role.id },
      body: { permissions: ["org:read"] },
    });
    expect((await offer(tokenOf(weak.data))).status).toBe("revoked");
    expect((await accept(person, tokenOf(sent))).status).toBe(200);
    // The inviter may have been deactivated, too.
    const last = await invite("last@example.com");
    await queryAsOwner(app, "update users set is_active = false where id = $1", [owner.id]);
    expect((await offer(tokenOf(last))).status).toBe("revoked");
    await queryAsOwner(app, "update users set is_active = true where id = $1", [owner.id]);
  });

  test("is rejected while the organization is archived, and so is inviting", async () => {
    const sent = await invite(person.email);
    await owner.api.organizations.archive({ params });
    for (const call of [
      () => accept(person, tokenOf(sent)),
      () => invite("other@example.com"),
      () => owner.api.invitations.resend(at(sent)),
      () => owner.api.invitations.revoke(at(sent)),
    ]) {
      await expectProblem(call(), 409, "organization_archived");
    }
    expect((await offer(tokenOf(sent))).organization).toEqual({ name: org.name, is_active: false });
    expect(await list()).toHaveLength(1);
    await owner.api.organizations.restore({ params });
    expect((await accept(person, tokenOf(sent))).status).toBe(200);
  });
});

describe("an invitation link", () => {
  test("shows its offer to anyone, uncached, without an id", async () => {
    const sent = await invite(person.email, "member");
    const path = `/api/v1/invitations/${tokenOf(sent)}`;
    const answer = await send(app, "GET", path);
    expect(answer.headers.get("cache-control")).toBe("no-store");
    expect(JSON.parse(answer.text)).toEqual({
      organization: { name: org.name, is_active: true },
      role_name: "member",
      invited_by: { name: "owner" },
      email: person.email,
      status: "pending",
      expires_at: sent.expires_at,
      can_register: true,
    });
  });
});

describe("resending", () => {
  test("creates a new link and expiry, also when expired; the old link stops working", async () => {
    const first = await invite(person.email);
    await expire(first);
    const { status, data: second } = await owner.api.invitations.resend(at(first));
    expect(status).toBe(200);
    expect(second).toMatchObject({ id: first.id, status: "pending" });
    expect(Date.parse(second.expires_at)).toBeGreaterThanOrEqual(Date.parse(first.expires_at));
    await expectProblem(accept(person, tokenOf(first)), 404, "not_found");
    await expectProblem(
      app.client().invitations.get({ params: { token: tokenOf(first) } }),
      404,
      "not_found",
    );
    expect((await actions())[0]).toBe("invitation.resent");
    expect((await accept(person, tokenOf(second))).status).toBe(200);
  });

  test("is rejected when it is over, and so is revoking an accepted one", async () => {
    const sent = await invite(person.email);
    await accept(person, tokenOf(sent));
    await expectProblem(owner.api.invitations.resend(at(sent)), 409, "invitation_not_pending");
    await expectProblem(owner.api.invitations.revoke(at(sent)), 409, "invitation_not_pending");
    const revoked = await invite("gone@example.com");
    await owner.api.invitations.revoke(at(revoked));
    await expectProblem(owner.api.invitations.resend(at(revoked)), 409, "invitation_not_pending");
    const again = await owner.api.invitations.revoke(at(revoked));
    expect(again.status).toBe(204);
    expect((await actions()).filter((action) => action === "invitation.revoked")).toHaveLength(1);
    const nothing = at({ id: randomUUID() });
    await expectProblem(owner.api.invitations.resend(nothing), 404, "not_found");
    await expectProblem(owner.api.invitations.revoke(nothing), 404, "not_found");
  });
});

describe("the role of an invitation", () => {
  test("cannot be deleted while it is open, and keeps its name afterwards", async () => {
    const body = { name: "guest", permissions: ["org:read" as const] };
    const { data: role } = await owner.api.roles.create({ params, body });
    const { data: sent } = await owner.api.invitations.create({
      params,
      body: { email: person.email, role_id: role.id },
    });
    const remove = () => owner.api.roles.remove({ params: { ...params, role_id: role.id } });
    const problem = await expectProblem(remove(), 409, "role_in_use");
    expect(problem).toMatchObject({ members: [], invitations: [person.email], heirs: [] });
    expect(problem.detail).toContain(person.email);
    await expire(sent);
    expect((await remove()).status).toBe(204);
    expect(await list()).toEqual([
      expect.objectContaining({ status: "expired", role_id: null, role_name: "guest" }),
    ]);
    await expectProblem(owner.api.invitations.resend(at(sent)), 409, "invitation_not_pending");
    expect((await owner.api.invitations.revoke(at(sent))).status).toBe(204);
  });
});
