import { connect } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import { makeOrganization } from "#test/support/fixtures/factories.js";
import { queryAsOwner } from "#test/support/database/queries.js";
import { problemOf, send } from "#test/support/http/raw-request.js";
import { systemRoleIds } from "../db/migrate.js";

describe("requests", () => {
  let app: TestApp;
  let owner: TestPerson;
  beforeAll(async () => {
    // An unreachable identity provider: its calls exist nevertheless.
    app = await startTestApp({
      OMOI_OIDC_ISSUER: "http://127.0.0.1:9",
      OMOI_OIDC_CLIENT_ID: "omoi",
      OMOI_OIDC_CLIENT_SECRET: "secret",
    });
    owner = await app.person("owner");
  });
  afterAll(() => app.close());

  const post = (body: string, type: string | null = "application/json") =>
    send(app, "POST", "/api/v1/organizations", {
      token: owner.token,
      body,
      headers: type === null ? {} : { "content-type": type },
    });

  test.each(["{", "{'name': 1}", "nonsense", '{"name":"a"}}', '{"name": undefined}'])(
    "a body of %j is 400 malformed_json",
    async (body) => {
      const answer = await post(body);
      expect([answer.status, problemOf(answer).code]).toEqual([400, "malformed_json"]);
    },
  );

  test.each(['"text"', "[]", "null", "7", "true"])(
    "JSON other than an object, %s, is 422",
    async (body) => {
      const answer = await post(body);
      expect([answer.status, problemOf(answer).code]).toEqual([422, "validation_failed"]);
    },
  );

  test("an empty body counts as an empty object, whatever its content type", async () => {
    const answer = await post("");
    expect(problemOf(answer)).toMatchObject({ status: 422, errors: [{ loc: ["body"] }] });
  });

  test("prototype pollution is rejected and changes nothing", async () => {
    for (const body of [
      '{"name":"a","__proto__":{"is_active":false}}',
      '{"name":"a","settings":{"__proto__":{"polluted":true}}}',
      '{"name":"a","settings":{"constructor":{"prototype":{"polluted":true}}}}',
    ]) {
      expect((await post(body)).status).toBe(400);
    }
    expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined();
  });

  test("a body of 1 MiB is accepted, a larger one is 413", async () => {
    const fill = (size: number) => {
      const frame = JSON.stringify({ name: "" }).length;
      return JSON.stringify({ name: "x".repeat(size - frame) });
    };
    const within = await post(fill(1024 * 1024));
    expect([within.status, problemOf(within).code]).toEqual([422, "validation_failed"]);
    const over = await post(fill(1024 * 1024 + 1));
    expect([over.status, problemOf(over).code]).toEqual([413, "body_too_large"]);
  });

  test.each(["text/plain", "application/xml", "multipart/form-data", "application/jsonx", "json"])(
    "the content type %s is 415",
    async (type) => {
      const answer = await post('{"name":"a"}', type);
      expect([answer.status, problemOf(answer).code]).toEqual([415, "unsupported_media_type"]);
    },
  );

  test("JSON with a charset is accepted", async () => {
    expect((await post('{"name":"a"}', "application/json; charset=utf-8")).status).toBe(201);
  });

  test("an unexpected body is 400; an empty object or only a JSON content type is accepted", async () => {
    const logout = (token: string, body: unknown) =>
      send(app, "POST", "/api/v1/auth/logout", { token, body });
    const answer = await logout(owner.token, { everywhere: true });
    expect([answer.status, problemOf(answer).code]).toEqual([400, "bad_request"]);
    const person = await app.person();
    expect((await logout(person.token, {})).status).toBe(204);
    const two = await app.person();
    const headers = { "content-type": "application/json" };
    const bare = await send(app, "POST", "/api/v1/auth/logout", { token: two.token, headers });
    expect([bare.status, bare.text]).toEqual([204, ""]);
  });

  test("JSON nested deeply enough to exhaust the stack is 422", async () => {
    for (const text of [`${"[".repeat(200_000)}${"]".repeat(200_000)}`]) {
      const answer = await post(`{"name":"a","settings":{"a":${text}}}`);
      expect([answer.status, problemOf(answer).code]).toEqual([422, "validation_failed"]);
    }
  });

  test("an unknown path is a problem document with the id of the request", async () => {
    for (const path of ["/api/v1/nothing", "/api/v1", "/api/v2/organizations", "/git/a/b"]) {
      const answer = await send(app, "GET", path, { token: owner.token });
      const problem = problemOf(answer);
      expect([path, answer.status, problem.code]).toEqual([path, 404, "not_found"]);
      expect(problem.request_id).toBe(answer.headers.get("x-request-id"));
      expect(problem).toMatchObject({ status: 404, title: expect.any(String) as string });
    }
  });

  test("an unsupported method is 405 and lists the supported ones", async () => {
    for (const [method, path, allow] of [
      ["DELETE", "/api/v1/organizations", "GET, HEAD, OPTIONS, POST"],
      ["PUT", `/api/v1/projects/${crypto.randomUUID()}`, "DELETE, GET, HEAD, OPTIONS, PATCH"],
      ["GET", "/api/v1/auth/login", "OPTIONS, POST"],
      ["POST", "/api/v1/permissions/", "GET, HEAD, OPTIONS"],
    ] as const) {
      const answer = await send(app, method, path, { token: owner.token });
      const problem = problemOf(answer);
      expect([path, problem.status, problem.code]).toEqual([path, 405, "method_not_allowed"]);
      expect(answer.headers.get("allow")).toBe(allow);
    }
  });

  test("a trailing slash is ignored", async () => {
    const { id } = await makeOrganization(owner);
    const answer = await send(app, "GET", `/api/v1/organizations/${id}/?x=`, {
      token: owner.token,
    });
    expect(answer.status).toBe(200);
  });

  test("the server sets the request id and ignores the client's", async () => {
    const headers = { "x-request-id": "mine", "request-id": "mine" };
    const first = await send(app, "GET", "/healthz", { headers });
    const second = await send(app, "GET", "/healthz", { headers });
    const ids = [first, second].map((answer) => answer.headers.get("x-request-id"));
    expect(new Set([...ids, "mine"]).size).toBe(3);
  });

  test("responses carry security headers", async () => {
    for (const path of ["/healthz", "/api/docs", "/api/v1/organizations", "/nothing"]) {
      const { headers } = await send(app, "GET", path);
      expect(headers.get("x-content-type-options")).toBe("nosniff");
      expect(headers.get("content-security-policy")).toContain("frame-ancestors 'none'");
      expect(headers.get("content-security-policy")).not.toContain("unsafe");
      // A data response may run nothing; a page may run only its own scripts.
      expect(headers.get("content-security-policy")).toContain(
        path.startsWith("/api/v1/") ? "default-src 'none'" : "script-src 'self'",
      );
    }
    const refused = await send(app, "GET", "/api/v1/organizations");
    expect(refused.headers.get("cache-control")).toBe("no-store");
  });

  test("a malformed address is 400", async () => {
    for (const path of ["/api/v1/organizations/%", "/api/v1/organizations/%zz", "/%c0%af"]) {
      const answer = await raw(`GET ${path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`);
      expect([path, answer.slice(0, 12)]).toEqual([path, "HTTP/1.1 400"]);
    }
  });

  test("malformed HTTP gets a response and does not stop the server", async () => {
    for (const text of [
      "nonsense\r\n\r\n",
      "GET / HTTP/9.9\r\n\r\n",
      `GET / HTTP/1.1\r\n${"a: b\r\n".repeat(9000)}\r\n`,
    ]) {
      expect(await raw(text)).toMatch(/^HTTP\/1\.1 4\d\d /);
    }
    expect((await send(app, "GET", "/healthz")).status).toBe(200);
  });

  async function raw(text: string): Promise<string> {
    const { hostname, port } = new URL(app.url);
    const socket = connect(Number(port), hostname);
    socket.end(text);
    let answer = "";
    socket.setEncoding("utf8");
    for await (const piece of socket) answer += piece as string;
    return answer;
  }

  test("health is public: alive, and ready with the database and git", async () => {
    const alive = await send(app, "GET", "/healthz");
    expect([alive.status, JSON.parse(alive.text)]).toEqual([200, { status: "ok" }]);
    const ready = await send(app, "GET", "/readyz");
    expect([ready.status, JSON.parse(ready.text)]).toMatchObject([
      200,
      {
        status: "ready",
        database: true,
        git: true,
        disk: true,
        changes: true,
        // Depends on this machine; the values are tested with the sandbox and the folder drivers.
        sandbox: { mode: expect.stringMatching(/^(?:bubblewrap|gvisor|off|unavailable)$/) },
        folder_driver: expect.stringMatching(/^(?:overlay|fuse-overlayfs|checkout)$/),
      },
    ]);
  });

  test("strangers see only whether the server is ready", async () => {
    const from = (headers: Record<string, string>, token?: string) =>
      send(app, "GET", "/readyz", { headers, ...(token === undefined ? {} : { token }) });
    const [first, other] = [await app.person("first"), await app.person("other")];
    await queryAsOwner(app, "update users set is_super_admin = (id = $1)", [first.id]);
    // Through a proxy on this machine, trusted or not.
    for (const headers of [{ "x-forwarded-for": "203.0.113.9" }, { forwarded: "for=127.0.0.1" }]) {
      for (const token of [undefined, other.token, "nonsense"]) {
        const { status, text } = await from(headers, token);
        expect([status, text]).toEqual([200, '{"status":"ready"}']);
      }
      expect((await from(headers, first.token)).text).toContain('"sandbox"');
    }
  });

  test("the OpenAPI document describes every call, and its page lists them", async () => {
    const { text } = await send(app, "GET", "/api/v1/openapi.json");
    const document = JSON.parse(text) as {
      openapi: string;
      servers: { url: string }[];
      paths: Record<string, Record<string, { responses: object }>>;
    };
    expect(document.openapi).toMatch(/^3\.1\./);
    expect(document.servers[0]?.url).toBe(app.url);
    const page = await send(app, "GET", "/api/docs");
    expect(page.headers.get("content-type")).toBe("text/html; charset=utf-8");
    const listed = page.text.replaceAll("<wbr>", "");
    // An example of a call with its command, and the fields of its request and answer.
    expect(page.text).toMatch(/<code>curl -X POST /);
    expect(page.text).toMatch(
      /<h3>Body.*<code>slug<\/code>.*<h3>Answers.*<code>created_at<\/code>/s,
    );
    const { data: invitation } = await owner.api.invitations.create({
      params: { org_id: (await makeOrganization(owner)).id },
      body: { email: "guest@example.com", role_id: systemRoleIds.viewer },
    });
    const token = invitation.invite_url?.split("/").at(-1) as string;
    for (const [path, methods] of Object.entries(document.paths)) {
      const url = path.replace("{token}", token).replaceAll(/\{\w+\}/g, "none");
      expect(listed).toContain(path);
      for (const method of Object.keys(methods)) {
        const real = await send(app, method.toUpperCase(), url);
        // Any of these statuses shows that the route exists, although the call lacks a credential or a
        // body.
        const isThere = [200, 302, 401, 409, 422].includes(real.status);
        expect([path, method, isThere]).toEqual([path, method, true]);
      }
    }
  });
});
