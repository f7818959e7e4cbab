import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Forge } from "#shared/api/work/forges.js";
import {
  expectProblem,
  startTestApp,
  type TestApp,
  type TestPerson,
} from "#test/support/server/app.js";
import { systemRoleIds } from "#server/db/migrate.js";
import { queryAsOwner } from "#test/support/database/queries.js";
import { makeOrganization } from "#test/support/fixtures/factories.js";
import type { ForgeDouble } from "#test/support/forges/forge-double.js";
import { startGitea } from "#test/support/forges/gitea/gitea-double.js";
import { githubApp, startGithub } from "#test/support/forges/github/github-double.js";
import { startGitlab } from "#test/support/forges/gitlab/gitlab-double.js";
import { oauthClient, serveOauth } from "#test/support/forges/oauth-pages.js";

const starts = { gitlab: startGitlab, gitea: startGitea } as const;
const token = "a-token-of-the-forge-0123456789";

let app: TestApp;
let owner: TestPerson;
let member: TestPerson;
let orgId: string;
let double: ForgeDouble;
beforeAll(async () => {
  app = await startTestApp({ OMOI_FORGE_PRIVATE_HOSTS: "true", OMOI_LOG_LEVEL: "error" });
  owner = await app.person("Ada");
  member = await app.person("Grace");
});
afterAll(() => app.close());
afterEach(async () => {
  expect(double.violations).toEqual([]);
  await double.close();
});

const at = (forge: Forge) => ({ params: { org_id: orgId, forge_id: forge.id } });
const start = async (forge: Forge, by = member): Promise<string> =>
  (await by.api.githubApps.startLink(at(forge))).data.url;
/** Allows it on the forge. Returns where the browser is sent back to. */
const allow = async (consent: string): Promise<string> => {
  const answer = await fetch(consent, { redirect: "manual" });
  expect(answer.status).toBe(302);
  return answer.headers.get("location") ?? "";
};
/** Follows the return of the browser. Returns the outcome. */
const follow = async (to: string, by = member): Promise<string | null> => {
  const answer = await fetch(to, {
    redirect: "manual",
    headers: { authorization: `Bearer ${by.token}` },
  });
  expect(answer.status).toBe(302);
  const location = new URL(answer.headers.get("location") ?? "", app.url);
  expect(location.pathname).toBe("/settings/profile");
  return location.searchParams.get("forge");
};
const people = async (forge: Forge) => (await owner.api.forgePeople.list(at(forge))).data;

describe.each(["gitlab", "gitea"] as const)("an account on %s", (kind) => {
  let forge: Forge;
  beforeEach(async () => {
    orgId = (await makeOrganization(owner)).id;
    await owner.api.members.add({
      params: { org_id: orgId },
      body: { user_id: member.id, role_id: systemRoleIds.member },
    });
    double = await starts[kind]();
    double.tokens.set(token, { login: "omoi-bot", reach: null });
    serveOauth(double, kind, "Grace-H");
    const { data } = await owner.api.forges.create({
      params: { org_id: orgId },
      body: { kind, url: double.url, api_url: double.apiUrl, token, oauth: oauthClient },
    });
    forge = data;
  });

  test("is linked in the browser, by the session that began it, once", async () => {
    expect(forge.oauth_client_id).toBe(oauthClient.client_id);
    const { data: accounts } = await member.api.forgePeople.accounts({
      params: { org_id: orgId },
    });
    expect(accounts).toMatchObject([{ forge_id: forge.id, by_oauth: true, logins: [] }]);
    const back = await allow(await start(forge));
    expect(back.startsWith(`${app.url}/api/v1/forges/oauth/callback?`)).toBe(true);
    expect(await follow(back, owner)).toBe("expired");
    expect(await follow(back)).toBe("linked");
    expect(await follow(back)).toBe("expired");
    expect(await people(forge)).toMatchObject([
      { login: "grace-h", user_id: member.id, how: "linked" },
    ]);
    const stored = await queryAsOwner<{ all: string }>(
      app,
      "select string_agg(f::text, ' ') as all from forges f where id = $1",
      [forge.id],
    );
    expect(stored[0]?.all).not.toContain(oauthClient.client_secret);
  });

  test("is not linked with a wrong code or state, without consent, or after ten minutes", async () => {
    const back = new URL(await allow(await start(forge)));
    const changed = (name: string, value: string): string => {
      const url = new URL(back);
      url.searchParams.set(name, value);
      return url.href;
    };
    expect(await follow(changed("state", "wrong"))).toBe("expired");
    expect(await follow(changed("code", "wrong"))).toBe("failed");
    expect(await follow(changed("error", "access_denied"))).toBe("denied");
    await queryAsOwner(app, "update forge_handshakes set expires_at = now() - interval '1 s'", []);
    expect(await follow(back.href)).toBe("expired");
    expect(await people(forge)).toEqual([]);
  });

  test("needs an application, which another token leaves and null removes", async () => {
    const another = "another-token-of-the-forge-01234";
    double.tokens.set(another, { login: "omoi-two", reach: null });
    const { data: renewed } = await owner.api.forges.update({
      ...at(forge),
      body: { token: another },
    });
    expect(renewed).toMatchObject({
      account: "omoi-two",
      oauth_client_id: oauthClient.client_id,
    });
    expect(await follow(await allow(await start(forge)))).toBe("linked");
    const { data: without } = await owner.api.forges.update({
      ...at(forge),
      body: { oauth: null },
    });
    expect(without).toMatchObject({ account: "omoi-two", oauth_client_id: null });
    await expectProblem(start(forge), 409, "forge_without_oauth");
    await owner.api.forges.update({ ...at(forge), body: { oauth: oauthClient } });
    expect(await follow(await allow(await start(forge)))).toBe("linked");
  });
});

test("GitHub has no application of this kind", async () => {
  orgId = (await makeOrganization(owner)).id;
  double = await startGithub();
  await double.addRepository("acme/shop", { "a.txt": "a\n" });
  const place = { kind: "github" as const, url: double.url, api_url: double.apiUrl };
  await expectProblem(
    owner.api.forges.create({
      params: { org_id: orgId },
      body: { ...place, app: githubApp, oauth: oauthClient },
    }),
    422,
    "validation_failed",
  );
});
