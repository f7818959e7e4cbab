import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
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
import { githubApp, startGithub } from "#test/support/forges/github/github-double.js";
import { GithubPages } from "#test/support/forges/github/github-pages.js";

let app: TestApp;
let owner: TestPerson;
let orgId: string;
let double: ForgeDouble;
let github: GithubPages;
beforeAll(async () => {
  app = await startTestApp({ OMOI_FORGE_PRIVATE_HOSTS: "true", OMOI_LOG_LEVEL: "error" });
  owner = await app.person("Ada");
});
afterAll(() => app.close());
beforeEach(async () => {
  orgId = (await makeOrganization(owner)).id;
  double = await startGithub();
  github = new GithubPages(double);
  await double.addRepository("acme/shop", { "a.txt": "a\n" });
});
afterEach(async () => {
  expect(double.violations).toEqual([]);
  await double.close();
});

const params = () => ({ org_id: orgId });
const begin = async (body: { account?: string } = {}, by = owner) => {
  const { data } = await by.api.githubApps.manifest({
    params: params(),
    body: { url: double.url, api_url: double.apiUrl, ...body },
  });
  return data;
};
/** Follows a return of the browser. Returns where it goes on. */
const follow = async (to: string, token: string | null = owner.token): Promise<string> => {
  const answer = await fetch(to, {
    redirect: "manual",
    headers: token === null ? {} : { authorization: `Bearer ${token}` },
  });
  expect(answer.status).toBe(302);
  return answer.headers.get("location") ?? "";
};
const settings = (outcome: string) =>
  `/organizations/${orgId}/settings?tab=forges&forge=${outcome}`;
const elsewhere = "/settings/profile?forge=expired";
const connections = async () => (await owner.api.forges.list({ params: params() })).data;

test("GitHub is connected by an App that is made from the browser", async () => {
  const { url, manifest, state } = await begin();
  expect(url).toBe(`${double.url}/settings/apps/new?state=${state}`);
  const installation = await follow(github.make(manifest, state));
  expect(installation).toBe(`${double.url}/apps/omoi-test/installations/new?state=${state}`);
  expect(await connections()).toEqual([]);
  expect(await follow(github.install(state))).toBe(settings("connected"));
  const [forge] = await connections();
  expect(forge).toMatchObject({
    kind: "github",
    auth: "app",
    account: "acme",
    app_id: githubApp.app_id,
    installation_id: githubApp.installation_id,
    status: "ok",
  });
  const at = { ...params(), forge_id: forge?.id as string };
  const { data: repositories } = await owner.api.forges.repositories({ params: at });
  expect(repositories.map(({ name }) => name)).toEqual(["acme/shop"]);
  // The person who has connected it is known.
  const { data: people } = await owner.api.forgePeople.list({ params: at });
  expect(people).toMatchObject([{ login: "grace-h", user_id: owner.id, how: "linked" }]);
  const stored = await queryAsOwner(app, "select sealed from forges where id = $1", [at.forge_id]);
  expect(JSON.stringify(stored)).not.toContain("secret-of");
  expect(
    await queryAsOwner(app, "select from forge_handshakes where org_id = $1", [orgId]),
  ).toEqual([]);
  // The state counts once.
  expect(await follow(github.install(state))).toBe(elsewhere);
  expect(await connections()).toHaveLength(1);
});

test("an organization on GitHub owns the App if it is named", async () => {
  const { url, manifest } = await begin({ account: "acme" });
  expect(url).toContain(`${double.url}/organizations/acme/settings/apps/new?state=`);
  expect(JSON.parse(manifest)).toMatchObject({ public: false, request_oauth_on_install: true });
  await expectProblem(begin({ account: "a/b" }), 422, "validation_failed");
});

test("a member links an account in the browser", async () => {
  const { manifest, state } = await begin();
  await follow(github.make(manifest, state));
  await follow(github.install(state));
  const [forge] = await connections();
  const member = await app.person("Grace");
  await owner.api.members.add({
    params: params(),
    body: { user_id: member.id, role_id: systemRoleIds.member },
  });
  const { data: accounts } = await member.api.forgePeople.accounts({ params: params() });
  expect(accounts).toMatchObject([{ by_oauth: true, logins: [] }]);
  const at = { ...params(), forge_id: forge?.id as string };
  const { data: started } = await member.api.githubApps.startLink({ params: at });
  github.login = "Mary";
  const consent = await fetch(started.url, { redirect: "manual" });
  const back = consent.headers.get("location") ?? "";
  // Another session does not finish it.
  expect(await follow(back)).toBe(elsewhere);
  expect(await follow(back, member.token)).toBe("/settings/profile?forge=linked");
  expect(await follow(back, member.token)).toBe(elsewhere);
  const { data: people } = await owner.api.forgePeople.list({ params: at });
  expect(people).toMatchObject([
    { login: "grace-h", user_id: owner.id },
    { login: "mary", user_id: member.id, how: "linked" },
  ]);
  const { data: again } = await member.api.githubApps.startLink({ params: at });
  const state2 = new URL(again.url).searchParams.get("state");
  const denied = `${app.url}/api/v1/forges/github/callback?error=access_denied&state=${state2}`;
  expect(await follow(denied, member.token)).toBe("/settings/profile?forge=denied");
});

describe("a return from GitHub", () => {
  test("without a session, of another session, and of an unknown or expired state does nothing", async () => {
    const { manifest, state } = await begin();
    const made = github.make(manifest, state);
    const stranger = await app.person("Eve");
    expect(await follow(made, null)).toBe(elsewhere);
    expect(await follow(made, stranger.token)).toBe(elsewhere);
    const { data: tokens } = await app
      .client()
      .auth.login({ body: { email: owner.email, password: owner.password } });
    expect(await follow(made, tokens.access_token)).toBe(elsewhere);
    const wrong = new URL(made);
    wrong.searchParams.set("state", "wrong");
    expect(await follow(wrong.href)).toBe(elsewhere);
    wrong.searchParams.delete("state");
    expect(await follow(wrong.href)).toBe(elsewhere);
    expect(github.conversions).toBe(0);
    await queryAsOwner(app, "update forge_handshakes set expires_at = now() - interval '1 s'", []);
    expect(await follow(made)).toBe(elsewhere);
    expect(github.conversions).toBe(0);
  });

  test("goes on after a server was killed between the steps", async () => {
    const { manifest, state } = await begin();
    const made = github.make(manifest, state);
    const installation = await follow(made);
    // The answer was lost: the browser asks again, and no second App is made.
    expect(await follow(made)).toBe(installation);
    expect(github.conversions).toBe(1);
    const installed = github.install(state);
    // GitHub has answered, and the server was killed before it stored that.
    await fetch(`${double.url}/login/oauth/access_token`, {
      method: "POST",
      body: JSON.stringify({
        client_id: "Iv1.0123456789abcdef",
        client_secret: "secret-of-the-client",
        code: new URL(installed).searchParams.get("code"),
      }),
    });
    const consent = await follow(installed);
    expect(consent).toContain(`${double.url}/login/oauth/authorize?client_id=Iv1`);
    const again = await fetch(consent, { redirect: "manual" });
    expect(await follow(again.headers.get("location") ?? "")).toBe(settings("connected"));
    expect(await connections()).toHaveLength(1);
  });

  test("connects only an installation that the person sees", async () => {
    const { manifest, state } = await begin();
    await follow(github.make(manifest, state));
    expect(await follow(github.install(state, "71"))).toBe(settings("not_yours"));
    github.installations = [];
    expect(await follow(github.install(state))).toBe(settings("not_yours"));
    expect(await connections()).toEqual([]);
    github.installations = [70];
    expect(await follow(github.install(state))).toBe(settings("connected"));
  });

  test("that GitHub refuses, denies or only requests connects nothing", async () => {
    const callback = `${app.url}/api/v1/forges/github/callback`;
    const { manifest, state } = await begin();
    expect(await follow(`${callback}?state=${state}&code=wrong`)).toBe(settings("failed"));
    double.fault = () => ({ status: 503, body: { message: "Down" } });
    expect(await follow(github.make(manifest, state))).toBe(settings("failed"));
    double.fault = (request) => github.answer(request);
    await follow(github.make(manifest, state));
    expect(await follow(`${callback}?state=${state}&error=access_denied`)).toBe(settings("denied"));
    expect(await follow(`${callback}?state=${state}&setup_action=request`)).toBe(
      settings("requested"),
    );
    expect(await connections()).toEqual([]);
    // The same visit goes on afterwards.
    expect(await follow(github.install(state))).toBe(settings("connected"));
  });

  test("of a person who may no longer connect forges connects nothing", async () => {
    const admin = await app.person("Mary");
    const { data: member } = await owner.api.members.add({
      params: params(),
      body: { user_id: admin.id, role_id: systemRoleIds.admin },
    });
    const { manifest, state } = await begin({}, admin);
    await follow(github.make(manifest, state), admin.token);
    await owner.api.members.update({
      params: { ...params(), member_id: member.id },
      body: { role_id: systemRoleIds.member },
    });
    expect(await follow(github.install(state), admin.token)).toBe(settings("refused"));
    expect(await connections()).toEqual([]);
  });

  test("begins by a session, never by a key, and only with the permission", async () => {
    const { data: created } = await owner.api.apiKeys.create({
      body: { name: "All", scopes: ["*:*"] },
    });
    const key = app.client(created.key ?? "");
    const body = { url: double.url };
    await expectProblem(
      key.githubApps.manifest({ params: params(), body }),
      403,
      "session_required",
    );
    const stranger = await app.person("Eve");
    await expectProblem(
      stranger.api.githubApps.manifest({ params: params(), body }),
      404,
      "not_found",
    );
    const { data: forge } = await owner.api.forges.create({
      params: params(),
      body: { kind: "github", url: double.url, api_url: double.apiUrl, app: githubApp },
    });
    const at = { ...params(), forge_id: forge.id };
    await expectProblem(owner.api.githubApps.startLink({ params: at }), 409, "forge_without_oauth");
    const other = (await makeOrganization(owner)).id;
    await expectProblem(
      owner.api.githubApps.startLink({ params: { org_id: other, forge_id: forge.id } }),
      404,
      "not_found",
    );
  });
});
