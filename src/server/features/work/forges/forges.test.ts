import { expect, test } from "vitest";
import { expectProblem, sharedTestApp } from "#test/support/server/app.js";
import { queryAsOwner } from "#test/support/database/queries.js";
import { makeOrganization, makeProjectWith } from "#test/support/fixtures/factories.js";
import { githubApp } from "#test/support/forges/github/github-double.js";
import { systemRoleIds } from "#server/db/migrate.js";
import {
  token,
  app,
  owner,
  orgId,
  double,
  start,
  params,
  connect,
  importShop,
  prepareConnections,
  describeConnections,
} from "#test/support/forges/connections.js";

prepareConnections();
describeConnections(["github"]);

test("a GitHub App makes a token for one repository, and no other is used by git", async () => {
  await start("github");
  const forge = await connect("github", { app: githubApp });
  expect(forge).toMatchObject({ auth: "app", account: "acme", app_id: "7", installation_id: "70" });
  const at = { ...params(), forge_id: forge.id };
  const { data: all } = await owner.api.forges.repositories({ params: at });
  expect(all.map(({ name }) => name)).toEqual(["acme/shop", "acme/site"]);
  await importShop(forge);
  const [used] = double.gitTokens;
  expect(double.tokens.get(used ?? "")?.reach).toEqual(["acme/shop"]);
  const other = githubApp.private_key.replace(/A/g, "B");
  await expectProblem(
    connect("github", { app: { ...githubApp, private_key: other } }),
    422,
    "forge_unauthorized",
  );
});

test("a refused credential, a rate limit and a recovery show in the status", async () => {
  await start("github");
  const forge = await connect("github");
  const at = { ...params(), forge_id: forge.id };
  const read = async () => (await owner.api.forges.get({ params: at })).data;
  const list = () => owner.api.forges.repositories({ params: at });
  double.fault = () => ({ status: 401, body: { message: "Bad credentials" } });
  await expectProblem(list(), 422, "forge_unauthorized");
  expect(await read()).toMatchObject({
    status: "unauthorized",
    status_reason: "The forge refuses the credential (401, Bad credentials).",
  });
  const reset = String(Math.ceil(Date.now() / 1000) + 3600);
  double.fault = () => ({
    status: 403,
    headers: { "x-ratelimit-remaining": "0", "x-ratelimit-reset": reset },
    body: { message: "API rate limit exceeded" },
  });
  const problem = await expectProblem(list(), 422, "forge_unreachable");
  expect(problem.detail).toContain("API rate limit exceeded");
  double.fault = () => null;
  await list();
  expect(await read()).toMatchObject({ status: "ok", status_reason: null });
  // The forge does not count requests for unchanged resources.
  double.requests.length = 0;
  await list();
  expect(double.requests).toEqual([]);
});

test("a credential is replaced once the new one was tried, and stored encrypted", async () => {
  await start("gitea");
  const forge = await connect("gitea");
  const at = { ...params(), forge_id: forge.id };
  const update = (body: object) => owner.api.forges.update({ params: at, body });
  await expectProblem(update({ token: "wrong" }), 422, "forge_unauthorized");
  double.tokens.set("another-token-of-somebody", { login: "grace", reach: null });
  const { data } = await update({ token: "another-token-of-somebody", name: "Ours" });
  expect(data).toMatchObject({ name: "Ours", account: "grace" });
  const [row] = await queryAsOwner(app, "select sealed from forges where id = $1", [forge.id]);
  expect(String((row as { sealed: Buffer }).sealed)).not.toContain("another-token");
  const { data: log } = await owner.api.audit.list({ params: params() });
  expect(log.map(({ action }) => action)).toEqual(
    expect.arrayContaining(["forge.created", "forge.updated"]),
  );
  expect(JSON.stringify(log)).not.toContain("another-token");
});

test("no more than twenty connections are made, and a project is linked once it is imported", async () => {
  await start("github");
  const forge = await connect("github");
  const project = await makeProjectWith(owner, orgId, { "a.txt": "a\n" });
  await queryAsOwner(app, "update projects set status = 'importing' where id = $1", [project.id]);
  await expectProblem(
    owner.api.upstreams.linkRepository({
      params: { project_id: project.id },
      body: { forge_id: forge.id, repository: "acme/site" },
    }),
    409,
    "project_not_ready",
  );
  await queryAsOwner(
    app,
    `insert into forges (id, org_id, kind, name, url, api_url, auth, account, sealed)
     select gen_random_uuid(), org_id, kind, name || number, url, api_url, auth, account, sealed
     from forges, generate_series(1, 19) number where id = $1`,
    [forge.id],
  );
  await expectProblem(connect("github"), 409, "too_many_forges");
});

test("a member neither sees connections nor imports by them, and another organization's is unknown", async () => {
  await start("github");
  const forge = await connect("github");
  const member = await app.person("Grace");
  await owner.api.members.add({
    params: params(),
    body: { user_id: member.id, role_id: systemRoleIds.member },
  });
  await expectProblem(member.api.forges.list({ params: params() }), 403, "insufficient_permission");
  const body = {
    organization_id: orgId,
    name: "Shop",
    forge_id: forge.id,
    repository: "acme/shop",
  };
  await expectProblem(member.api.projects.create({ body }), 403, "insufficient_permission");
  const other = (await makeOrganization(owner)).id;
  await expectProblem(
    owner.api.projects.create({ body: { ...body, organization_id: other } }),
    422,
    "validation_failed",
  );
});

test("an address that is not allowed, and one that the forge leads to, is refused", async () => {
  await start("gitlab");
  const strict = await sharedTestApp();
  const person = await strict.person("Ada");
  const org = await makeOrganization(person);
  const at = { org_id: org.id };
  const create = (url: string) =>
    person.api.forges.create({ params: at, body: { kind: "gitlab", url, token } });
  await expectProblem(create(double.url), 422, "validation_failed");
  await expectProblem(create("https://127.0.0.1:1"), 422, "forge_unreachable");
  double.fault = () => ({ status: 302, headers: { location: "http://169.254.169.254/latest" } });
  const problem = await expectProblem(connect("gitlab"), 422, "forge_unreachable");
  expect(problem.detail).toContain("another address");
});
