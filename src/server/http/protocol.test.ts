import { beforeAll, describe, expect, test } from "vitest";
import { api } from "#shared/api/index.js";
import type { Endpoint } from "#shared/contract/endpoint.js";
import {
  commitFiles,
  makeAgent,
  makeOrganization,
  makeProject,
  makeWorkspace,
} from "#test/support/fixtures/factories.js";
import { sharedTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import { problemOf, send } from "#test/support/http/raw-request.js";

const endpoints = Object.values(api).flatMap((resource) =>
  Object.values(resource as Record<string, Endpoint>),
);

describe("HTTP", () => {
  let app: TestApp;
  let owner: TestPerson;
  beforeAll(async () => {
    app = await sharedTestApp();
    owner = await app.person("owner");
  });

  const get = (path: string, headers: Record<string, string> = {}) =>
    send(app, "GET", path, { token: owner.token, headers });

  test("OPTIONS names the methods of a path; HEAD is supported where GET is", async () => {
    for (const [path, allow] of [
      ["/api/v1/organizations", "GET, HEAD, OPTIONS, POST"],
      ["/api/v1/auth/login", "OPTIONS, POST"],
      ["/healthz", "GET, HEAD, OPTIONS"],
      ["/login", "GET, HEAD, OPTIONS"],
    ] as const) {
      const answer = await send(app, "OPTIONS", path);
      expect([path, answer.status, answer.headers.get("allow")]).toEqual([path, 204, allow]);
    }
    expect((await send(app, "OPTIONS", "/api/v1/nothing")).status).toBe(404);
    const head = await send(app, "HEAD", "/api/v1/organizations", { token: owner.token });
    const full = await get("/api/v1/organizations");
    expect([head.status, head.text]).toEqual([200, ""]);
    expect(head.headers.get("content-length")).toBe(full.headers.get("content-length"));
    const wrong = await send(app, "HEAD", "/api/v1/auth/login");
    expect([wrong.status, wrong.headers.get("allow")]).toEqual([405, "OPTIONS, POST"]);
  });

  test("a wrong method is 405 outside of the API, too", async () => {
    for (const [method, path] of [
      ["POST", "/healthz"],
      ["DELETE", "/api/docs"],
      ["POST", "/login"],
      ["PUT", "/metrics/"],
    ] as const) {
      const answer = await send(app, method, path);
      expect([path, answer.status, problemOf(answer).code]).toEqual([
        path,
        405,
        "method_not_allowed",
      ]);
      expect(answer.headers.get("allow")).toBe("GET, HEAD, OPTIONS");
    }
  });

  test("a trailing slash is the same resource, without a redirect", async () => {
    const { id } = await makeOrganization(owner);
    for (const path of [`/api/v1/organizations/${id}`, "/api/v1/organizations", "/api/docs"]) {
      const [plain, slash] = [await get(path), await get(`${path}/`)];
      expect([path, slash.status, slash.text]).toEqual([path, 200, plain.text]);
      expect(slash.headers.get("etag")).toBe(plain.headers.get("etag"));
    }
    for (const path of ["//evil.example/", "//evil.example/api/v1/organizations/"]) {
      const answer = await get(path);
      expect([path, answer.status, answer.headers.get("location")]).toEqual([path, 404, null]);
    }
  });

  test("an unknown path below a reserved prefix is a 404 problem, for browsers and any method", async () => {
    const headers = { accept: "text/html" };
    for (const prefix of ["/api", "/api/v1", "/api/v2", "/git", "/git/a", "/.well-known"]) {
      for (const path of [`${prefix}/nothing`, `${prefix}/nothing/`, `${prefix}/a.b/c`]) {
        for (const method of ["GET", "POST", "DELETE", "PATCH"]) {
          const answer = await send(app, method, path, { headers });
          expect([method, path, problemOf(answer).status]).toEqual([method, path, 404]);
        }
      }
    }
    expect(problemOf(await get("/metrics/nothing", headers)).status).toBe(404);
  });

  test("the type of a problem is the address that explains its code", async () => {
    const answer = await get("/api/v1/nothing");
    expect(problemOf(answer).type).toBe(`${app.url}/api/docs/errors#not_found`);
  });

  test("a list has an ETag and is 304 until it or its next page changes", async () => {
    const person = await app.person();
    const org = await makeOrganization(person);
    const list = (query: string, tag?: string) =>
      send(app, "GET", `/api/v1/projects?organization_id=${org.id}${query}`, {
        token: person.token,
        ...(tag !== undefined && { headers: { "if-none-match": tag } }),
      });
    await makeProject(person, org.id);
    const first = await list("&limit=1");
    const tag = first.headers.get("etag") ?? "";
    expect(tag).toMatch(/^"[\w-]{22}"$/);
    const same = await list("&limit=1", `"other", W/${tag}`);
    expect([same.status, same.text]).toEqual([304, ""]);
    await makeProject(person, org.id);
    const next = await list("&limit=1", tag);
    expect([next.status, next.headers.has("link")]).toEqual([200, true]);
  });

  test("Vary names the headers on which an answer depends", async () => {
    const org = await makeOrganization(owner);
    const varyOf = async (path: string, token?: string) =>
      (await send(app, "GET", path, token === undefined ? {} : { token })).headers.get("vary");
    expect(await varyOf("/api/v1/auth/me", owner.token)).toBe("Authorization, Cookie");
    expect(await varyOf("/api/v1/auth/me")).toBe("Authorization, Cookie");
    const usage = `/api/v1/organizations/${org.id}/usage`;
    expect(await varyOf(usage, owner.token)).toMatch(/^Authorization, Cookie, Accept\b/);
    expect(await varyOf("/api/v1/auth/methods")).toBeNull();
    expect(await varyOf("/organizations")).toMatch(/^Accept, Cookie\b/);
  });

  test("every call that creates something declares its location, which a GET serves", () => {
    const served = endpoints.filter(({ method }) => method === "GET").map(({ path }) => path);
    const shape = (path: string): string => path.replaceAll(/\{\w+\}/g, "{}");
    const shapes = new Set(served.map(shape));
    for (const { method, path, status, location } of endpoints) {
      expect([method, path, location !== null]).toEqual([method, path, status === 201]);
      if (location !== null) {
        expect([path, location, shapes.has(shape(location))]).toEqual([path, location, true]);
      }
    }
  });

  test("Location leads to what a call has created, also in a replayed answer", async () => {
    const { id } = await makeOrganization(owner);
    const org = { params: { org_id: id } };
    const project = await makeProject(owner, id);
    const { workspace } = await makeWorkspace(owner, project.id);
    const agent = await makeAgent(owner, project.id);
    await commitFiles(owner, workspace, { "a.txt": "a\n" });
    const at = { params: { agent_id: workspace.agent_id } };
    const created: { status: number; headers: Headers; data: object }[] = [
      await owner.api.organizations.create({ body: { name: "Placed" } }),
      await owner.api.projects.create({ body: { organization_id: id, name: "Placed" } }),
      await owner.api.agents.create({ body: { project_id: project.id, name: "placed" } }),
      await owner.api.workspaces.create({ params: { agent_id: agent.id } }),
      await owner.api.workspaces.createMerge(at),
      await owner.api.workspaces.createCommit({ ...at, body: { commit_type: "manual" } }),
      await owner.api.roles.create({ ...org, body: { name: "placed", permissions: ["org:read"] } }),
      await owner.api.apiKeys.create({ body: { name: "placed" } }),
    ];
    for (const { status, headers, data } of created) {
      // A commit without changes creates nothing.
      expect(headers.has("location")).toBe(status === 201);
      if (status !== 201) continue;
      const location = headers.get("location") ?? "";
      const { status: found, text } = await get(location);
      expect([location, found]).toEqual([location, 200]);
      const { id: itsId } = data as { id?: string };
      if (itsId !== undefined) expect(JSON.parse(text)).toMatchObject({ id: itsId });
    }
    const headers = { "idempotency-key": "placed" };
    const request = { body: { organization_id: id, name: "Replayed" } };
    const first = await owner.api.projects.create(request, { headers });
    const again = await owner.api.projects.create(request, { headers });
    expect(again.headers.get("location")).toBe(first.headers.get("location"));
    expect(again.headers.get("location")).toBe(`/api/v1/projects/${first.data.id}`);
  });
});
