import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Forge, NewForge } from "#shared/api/work/forges.js";
import {
  expectProblem,
  startTestApp,
  type TestApp,
  type TestPerson,
} from "#test/support/server/app.js";
import { queryAsOwner } from "#test/support/database/queries.js";
import { makeOrganization, makeProjectWith } from "#test/support/fixtures/factories.js";
import { waitUntilIdle, waitUntilReady } from "#test/support/fixtures/projects.js";
import type { ForgeDouble } from "#test/support/forges/forge-double.js";
import { startGitea } from "#test/support/forges/gitea/gitea-double.js";
import { githubApp, startGithub } from "#test/support/forges/github/github-double.js";
import { startGitlab } from "#test/support/forges/gitlab/gitlab-double.js";
import { systemRoleIds } from "#server/db/migrate.js";

const token = "a-token-of-the-forge-0123456789";
const starts = { github: startGithub, gitlab: startGitlab, gitea: startGitea } as const;

let app: TestApp;
let owner: TestPerson;
let orgId: string;
let double: ForgeDouble;
beforeAll(async () => {
  app = await startTestApp({ OMOI_FORGE_PRIVATE_HOSTS: "true", OMOI_LOG_LEVEL: "error" });
  owner = await app.person("Ada");
});
afterAll(() => app.close());
beforeEach(async () => {
  orgId = (await makeOrganization(owner)).id;
});
afterEach(async () => {
  expect(double.violations).toEqual([]);
  await double.close();
});

async function start(kind: keyof typeof starts): Promise<void> {
  double = await starts[kind]();
  double.tokens.set(token, { login: "lead", reach: null });
  await double.addRepository("acme/shop", { "a.txt": "a\n" });
  await double.addRepository("acme/site", { "b.txt": "b\n" });
}

const params = () => ({ org_id: orgId });
const connect = async (
  kind: keyof typeof starts,
  more: Partial<NewForge> = { token },
): Promise<Forge> =>
  (
    await owner.api.forges.create({
      params: params(),
      body: { kind, url: double.url, api_url: double.apiUrl, ...more },
    })
  ).data;
const importShop = async ({ id }: Forge) => {
  const body = { organization_id: orgId, name: "Shop", forge_id: id, repository: "acme/shop" };
  const { data } = await owner.api.projects.create({ body });
  return waitUntilReady(owner, data.id);
};

describe.each(["github", "gitlab", "gitea"] as const)("a connection to %s", (kind) => {
  beforeEach(() => start(kind));

  test("is tried, lists repositories, and imports one", async () => {
    const forge = await connect(kind);
    expect(forge).toMatchObject({
      kind,
      name: new URL(double.url).host,
      auth: "token",
      account: "lead",
      status: "ok",
      status_reason: null,
      projects: 0,
    });
    expect(JSON.stringify(forge)).not.toContain(token);
    const at = { ...params(), forge_id: forge.id };
    const { data: all } = await owner.api.forges.repositories({ params: at });
    expect(all.map(({ name }) => name)).toEqual(["acme/shop", "acme/site"]);
    const { data: found } = await owner.api.forges.repositories({
      params: at,
      query: { q: "sho" },
    });
    expect(found).toEqual([
      {
        name: "acme/shop",
        url: `${double.url}/acme/shop`,
        description: "A shop",
        default_branch: "main",
        is_private: true,
      },
    ]);

    const project = await importShop(forge);
    expect(project.upstream).toMatchObject({
      url: `${double.url}/acme/shop.git`,
      credential: null,
      repository: { forge_id: forge.id, name: "acme/shop", url: `${double.url}/acme/shop` },
    });
    expect(double.gitTokens).toContain(token);
    const { data: branches } = await owner.api.projects.branches({
      params: { project_id: project.id },
    });
    expect(branches.map(({ name }) => name)).toEqual(["main"]);
    await expectProblem(
      owner.api.upstreams.setCredential({
        params: { project_id: project.id },
        body: { kind: "https_token", token: "other" },
      }),
      409,
      "repository_linked",
    );
  });

  test("is refused with the forge's reason", async () => {
    const problem = await expectProblem(
      connect(kind, { token: "wrong" }),
      422,
      "forge_unauthorized",
    );
    expect(problem.detail).toContain("Bad credentials");
    double.fault = () => ({ status: 503, body: { message: "Down for maintenance" } });
    await expectProblem(connect(kind), 422, "forge_unreachable");
  });

  test("links a project that exists, and is not deleted while it is in use", async () => {
    const forge = await connect(kind);
    const project = await makeProjectWith(owner, orgId, { "a.txt": "a\n" });
    const { data: linked } = await owner.api.upstreams.linkRepository({
      params: { project_id: project.id },
      body: { forge_id: forge.id, repository: "acme/site" },
    });
    expect(linked.upstream?.repository?.name).toBe("acme/site");
    const fetched = await waitUntilIdle(owner, project.id);
    expect(fetched.upstream).toMatchObject({ status: "idle", error: null });
    const at = { ...params(), forge_id: forge.id };
    expect((await owner.api.forges.get({ params: at })).data.projects).toBe(1);
    await expectProblem(owner.api.forges.delete({ params: at }), 409, "forge_in_use");
    await owner.api.forges.delete({ params: at, query: { unlink: "true" } });
    await expectProblem(owner.api.forges.get({ params: at }), 404, "not_found");
    const { data: left } = await owner.api.projects.get({ params: { project_id: project.id } });
    expect(left.upstream).toMatchObject({ repository: null, url: fetched.upstream?.url });
  });
});

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
  const strict = await startTestApp();
  try {
    const person = await strict.person("Ada");
    const org = await makeOrganization(person);
    const at = { org_id: org.id };
    const create = (url: string) =>
      person.api.forges.create({ params: at, body: { kind: "gitlab", url, token } });
    await expectProblem(create(double.url), 422, "validation_failed");
    await expectProblem(create("https://127.0.0.1:1"), 422, "forge_unreachable");
  } finally {
    await strict.close();
  }
  double.fault = () => ({ status: 302, headers: { location: "http://169.254.169.254/latest" } });
  const problem = await expectProblem(connect("gitlab"), 422, "forge_unreachable");
  expect(problem.detail).toContain("another address");
});

test("ten repositories become projects at once", async () => {
  await start("gitea");
  const names = Array.from({ length: 10 }, (_, at) => `many/app-${at}`);
  for (const name of names) await double.addRepository(name, { "a.txt": `${name}\n` });
  const { id } = await connect("gitea");
  const made = await Promise.all(
    names.map((name) =>
      owner.api.projects.create({
        body: { organization_id: orgId, name: "App", forge_id: id, repository: name },
      }),
    ),
  );
  const ready = await Promise.all(made.map(({ data }) => waitUntilReady(owner, data.id)));
  expect(ready.map(({ upstream }) => upstream?.repository?.name)).toEqual(names);
  expect(new Set(ready.map(({ slug }) => slug)).size).toBe(10);
  expect(
    (await owner.api.forges.get({ params: { ...params(), forge_id: id } })).data.projects,
  ).toBe(10);
});
