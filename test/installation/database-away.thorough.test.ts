import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openApiDocument } from "#shared/contract/openapi.js";
import { startTestApp, type TestApp, type TestPerson } from "../support/server/app.js";
import { makeAgent, makeOrganization, makeProject } from "../support/fixtures/factories.js";
import { queryAsAdmin, queryAsOwner } from "../support/database/queries.js";
import { problemOf, send, type RawResponse } from "../support/http/raw-request.js";
import { startDatabaseProxy, type DatabaseProxy } from "../support/database/database-proxy.js";

let app: TestApp;
let proxy: DatabaseProxy;
let owner: TestPerson;
let key: string;
let gitPath: string;
/** Values of path parameters. */
const ids: Record<string, string> = {};

beforeAll(async () => {
  app = await startTestApp({}, undefined, async (direct) => {
    proxy = await startDatabaseProxy(direct);
    return { owner: proxy.config, app: null };
  });
  owner = await app.person("owner");
  const org = await makeOrganization(owner);
  const project = await makeProject(owner, org.id);
  const agent = await makeAgent(owner, project.id);
  Object.assign(ids, { org_id: org.id, project_id: project.id, agent_id: agent.id });
  key = (await owner.api.apiKeys.create({ body: { name: "away" } })).data.key as string;
  gitPath = `/git/${org.slug}/${project.slug}.git`;
});
afterAll(() => app.close());

const anyId = "0190b3f0-0000-7000-8000-000000000000";

/** One request to every operation of the API, with existing ids. */
function everyRequest(): { method: string; path: string; body?: unknown; isPublic: boolean }[] {
  const { paths } = openApiDocument("http://localhost") as unknown as {
    paths: Record<string, Record<string, { security?: unknown[]; requestBody?: unknown }>>;
  };
  return Object.entries(paths).flatMap(([path, operations]) =>
    Object.entries(operations).map(([method, { security, requestBody }]) => ({
      method: method.toUpperCase(),
      path: path.replaceAll(/\{(\w+)\}/g, (_all, name: string) => ids[name] ?? anyId),
      ...(requestBody === undefined ? {} : { body: {} }),
      isPublic: security?.length === 0,
    })),
  );
}

function expectUnavailable(answer: RawResponse, request: string): void {
  expect(`${request} ${answer.status}`).toBe(`${request} 503`);
  expect(problemOf(answer).code).toBe("unavailable");
  expect(Number(answer.headers.get("retry-after"))).toBeGreaterThan(0);
}

async function untilBack(): Promise<void> {
  const end = Date.now() + 30_000;
  while ((await send(app, "GET", "/readyz")).status !== 200) {
    if (Date.now() > end) throw new Error("the server has not reconnected to its database");
    await pause(50);
  }
}

test("every route answers 503 while PostgreSQL is unreachable, and works afterwards", async () => {
  await proxy.cut();
  const requests = everyRequest();
  expect(requests.length).toBeGreaterThan(100);
  for (const { method, path, body, isPublic } of requests) {
    for (const token of [owner.token, key]) {
      const answer = await send(app, method, path, { token, body });
      const request = `${method} ${path}`;
      if (isPublic && answer.status < 500) continue;
      expectUnavailable(answer, request);
    }
  }
  const { email, password } = owner;
  for (const body of [
    { email, password },
    { email: "new@example.com", password },
  ]) {
    const call = body.email === email ? "login" : "register";
    expectUnavailable(await send(app, "POST", `/api/v1/auth/${call}`, { body }), call);
  }
  expectUnavailable(
    await send(app, "POST", "/api/v1/organizations", {
      token: owner.token,
      headers: { "idempotency-key": "away" },
      body: { name: "away" },
    }),
    "a request with an idempotency key",
  );
  const authorization = `Basic ${Buffer.from(`git:${key}`).toString("base64")}`;
  for (const [method, path] of [
    ["GET", "/info/refs?service=git-upload-pack"],
    ["GET", "/info/refs?service=git-receive-pack"],
    ["POST", "/git-upload-pack"],
    ["POST", "/git-receive-pack"],
  ] as const) {
    const type = `application/x-${path.slice(1)}-request`;
    const headers = { authorization, ...(method === "POST" ? { "content-type": type } : {}) };
    const body = method === "POST" ? "0000" : undefined;
    expectUnavailable(await send(app, method, gitPath + path, { headers, body }), path);
  }
  expect((await send(app, "GET", "/healthz")).status).toBe(200);
  expect((await send(app, "GET", "/readyz")).status).toBe(503);

  await proxy.restore();
  await untilBack();
  const { token } = owner;
  expect((await send(app, "GET", "/api/v1/organizations", { token })).status).toBe(200);
  expect((await send(app, "GET", "/api/v1/organizations", { token: key })).status).toBe(200);
  expect((await makeOrganization(owner)).id).toBeTruthy();
  const refs = `${gitPath}/info/refs?service=git-upload-pack`;
  expect((await send(app, "GET", refs, { headers: { authorization } })).status).toBe(200);
});

test("requests on a connection ended by PostgreSQL answer 503 or succeed, with nothing in between", async () => {
  const { id: orgId } = await makeOrganization(owner);
  const made: string[] = [];
  /** Roles whose connection ended during the commit. */
  const unknown = new Set<string>();
  const over = new AbortController();
  const create = async (writer: number): Promise<void> => {
    for (let count = 0; !over.signal.aborted; count += 1) {
      const name = `role ${writer} ${count}`;
      const answer = await send(app, "POST", `/api/v1/organizations/${orgId}/roles`, {
        token: owner.token,
        body: { name, permissions: ["org:read"] },
      });
      if (answer.status === 201) made.push(name);
      else if (problemOf(answer).code === "outcome_unknown") unknown.add(name);
      else expectUnavailable(answer, name);
    }
  };
  const ending = (async () => {
    for (let round = 0; round < 5; round += 1) {
      await pause(100);
      // Like a restart of PostgreSQL.
      await queryAsAdmin(
        app,
        `select pg_terminate_backend(pid) from pg_stat_activity
          where datname = current_database() and pid <> pg_backend_pid()`,
      );
    }
    over.abort();
  })();
  await Promise.all([ending, ...Array.from({ length: 8 }, (_none, writer) => create(writer))]);
  await untilBack();
  const roles = await queryAsOwner<{ name: string }>(
    app,
    "select name from roles where org_id = $1 order by name",
    [orgId],
  );
  const names = roles.map(({ name }) => name);
  expect(names).toEqual(expect.arrayContaining(made));
  // A role whose request was answered as unavailable does not exist.
  expect(names.filter((name) => !made.includes(name) && !unknown.has(name))).toEqual([]);
  expect(made.length).toBeGreaterThan(0);
});
