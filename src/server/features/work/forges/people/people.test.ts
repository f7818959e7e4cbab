import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import type { Forge } from "#shared/api/work/forges.js";
import { systemRoleIds } from "#server/db/migrate.js";
import {
  expectProblem,
  startTestApp,
  type TestApp,
  type TestPerson,
} from "#test/support/server/app.js";
import { queryAsOwner } from "#test/support/database/queries.js";
import { makeOrganization } from "#test/support/fixtures/factories.js";
import type { ForgeDouble } from "#test/support/forges/forge-double.js";
import { startGitea } from "#test/support/forges/gitea/gitea-double.js";
import { startGithub } from "#test/support/forges/github/github-double.js";
import { startGitlab } from "#test/support/forges/gitlab/gitlab-double.js";
import { findPersonOfLogin } from "./people.queries.js";

const token = "a-token-of-the-forge-0123456789";
const starts = { github: startGithub, gitlab: startGitlab, gitea: startGitea } as const;

let app: TestApp;
let owner: TestPerson;
let member: TestPerson;
let orgId: string;
let double: ForgeDouble;
let forge: Forge;
beforeAll(async () => {
  app = await startTestApp({ OMOI_FORGE_PRIVATE_HOSTS: "true", OMOI_LOG_LEVEL: "error" });
  owner = await app.person("Ada");
  member = await app.person("Grace");
});
afterAll(() => app.close());
beforeEach(() => start("gitea"));
afterEach(async () => {
  expect(double.violations).toEqual([]);
  await double.close();
});

async function start(kind: keyof typeof starts): Promise<void> {
  orgId = (await makeOrganization(owner)).id;
  await addMember(member, systemRoleIds.member);
  double = await starts[kind]();
  double.tokens.set(token, { login: "lead", reach: null });
  double.tokens.set("token-of-grace", { login: "Grace-H", reach: null });
  const { data } = await owner.api.forges.create({
    params: { org_id: orgId },
    body: { kind, url: double.url, api_url: double.apiUrl, token },
  });
  forge = data;
}
const addMember = (person: TestPerson, role_id: string) =>
  owner.api.members.add({ params: { org_id: orgId }, body: { user_id: person.id, role_id } });
const at = () => ({ org_id: orgId, forge_id: forge.id });
const known = async () => (await owner.api.forgePeople.list({ params: at() })).data;
const personOf = (login: string, forgeId = forge.id) =>
  app.db.tenant(orgId, (tx) => findPersonOfLogin(tx, forgeId, login));
const set = (login: string, user_id: string, by = owner) =>
  by.api.forgePeople.set({ params: { ...at(), login }, body: { user_id } });

test("an admin says whom a login belongs to, and takes it back", async () => {
  const { data } = await set("Grace-H", member.id);
  expect(data).toMatchObject({
    login: "grace-h",
    user_id: member.id,
    user_name: "Grace",
    how: "set",
  });
  await set("ada", owner.id);
  expect((await known()).map(({ login }) => login)).toEqual(["ada", "grace-h"]);
  expect(await personOf("GRACE-H")).toBe(member.id);
  expect(await personOf("stranger")).toBeNull();
  await set("grace-h", owner.id);
  expect(await personOf("grace-h")).toBe(owner.id);
  const params = { ...at(), login: "grace-h" };
  await owner.api.forgePeople.remove({ params });
  await expectProblem(owner.api.forgePeople.remove({ params }), 404, "not_found");
  expect(await personOf("grace-h")).toBeNull();
  const { data: log } = await owner.api.audit.list({ params: { org_id: orgId } });
  expect(log.map(({ action }) => action)).toEqual(
    expect.arrayContaining(["forge.person_set", "forge.person_removed"]),
  );
});

test("a login belongs to a member, and no longer once the member leaves or is disabled", async () => {
  const stranger = await app.person("Eve");
  await expectProblem(set("eve", stranger.id), 422, "validation_failed");
  await expectProblem(set("@eve", member.id), 404, "not_found");
  await set("grace", member.id);
  await queryAsOwner(app, "update users set is_active = false where id = $1", [member.id]);
  expect(await personOf("grace")).toBeNull();
  await queryAsOwner(app, "update users set is_active = true where id = $1", [member.id]);
  expect(await personOf("grace")).toBe(member.id);
  const { data: members } = await owner.api.members.list({ params: { org_id: orgId } });
  const membership = members.find(({ user_id }) => user_id === member.id);
  await owner.api.members.remove({
    params: { org_id: orgId, member_id: membership?.id as string },
  });
  expect(await known()).toEqual([]);
});

test("an admin gives no login the permissions of an owner", async () => {
  const admin = await app.person("Mary");
  await addMember(admin, systemRoleIds.admin);
  await expectProblem(set("mary", owner.id, admin), 403, "privilege_escalation");
  expect((await set("mary", member.id, admin)).data.user_id).toBe(member.id);
  await expectProblem(set("mary", member.id, member), 403, "insufficient_permission");
});

test.each(["github", "gitlab", "gitea"] as const)(
  "a member links an account on %s by a token that is not stored",
  async (kind) => {
    await double.close();
    await start(kind);
    const link = (text: string) =>
      member.api.forgePeople.link({ params: at(), body: { token: text } });
    await expectProblem(link("wrong"), 422, "forge_unauthorized");
    expect((await owner.api.forges.get({ params: at() })).data.status).toBe("ok");
    expect(await personOf("grace-h")).toBeNull();
    // What an admin has entered gives way to a proof.
    await set("grace-h", owner.id);
    const { data } = await link("token-of-grace");
    expect(data).toMatchObject({ login: "grace-h", user_id: member.id, how: "linked" });
    const params = { org_id: orgId };
    const { data: accounts } = await member.api.forgePeople.accounts({ params });
    expect(accounts).toEqual([
      {
        forge_id: forge.id,
        kind,
        name: forge.name,
        url: double.url,
        by_oauth: false,
        logins: [data],
      },
    ]);
    const { data: others } = await owner.api.forgePeople.accounts({ params });
    expect(others).toMatchObject([{ logins: [] }]);
    const stored = await queryAsOwner(app, "select p::text from forge_people p");
    expect(JSON.stringify(stored)).not.toContain("token-of-grace");
    await member.api.forgePeople.unlink({ params: at() });
    await member.api.forgePeople.unlink({ params: at() });
    expect(await known()).toEqual([]);
  },
);

test("no key links an account, and another organization's connection is unknown", async () => {
  const { data: created } = await member.api.apiKeys.create({
    body: { name: "All", scopes: ["*:*"] },
  });
  const key = app.client(created.key ?? "");
  const body = { token: "token-of-grace" };
  await expectProblem(key.forgePeople.link({ params: at(), body }), 403, "session_required");
  await expectProblem(key.forgePeople.unlink({ params: at() }), 403, "session_required");
  const params = { org_id: orgId };
  expect((await key.forgePeople.accounts({ params })).data).toMatchObject([{ logins: [] }]);
  const other = (await makeOrganization(owner)).id;
  const foreign = { org_id: other, forge_id: forge.id };
  for (const call of [
    () => owner.api.forgePeople.list({ params: foreign }),
    () => owner.api.forgePeople.link({ params: foreign, body }),
    () => owner.api.forgePeople.unlink({ params: foreign }),
    () =>
      owner.api.forgePeople.set({
        params: { ...foreign, login: "ada" },
        body: { user_id: owner.id },
      }),
    () => owner.api.forgePeople.remove({ params: { ...foreign, login: "ada" } }),
  ]) {
    await expectProblem(call(), 404, "not_found");
  }
});
