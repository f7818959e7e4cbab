import { request as httpRequest } from "node:http";
import { brotliDecompressSync, gunzipSync } from "node:zlib";
import { beforeAll, describe, expect, test } from "vitest";
import { makeOrganization } from "#test/support/fixtures/factories.js";
import { sharedTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import { codingOf } from "./compression.js";

test.each([
  [undefined, null],
  ["", null],
  ["identity", null],
  ["deflate, zstd", null],
  ["gzip", "gzip"],
  ["gzip, deflate, br, zstd", "br"],
  ["br;q=0.5, gzip;q=0.8", "gzip"],
  ["br;q=0, gzip", "gzip"],
  ["*", "br"],
  ["*;q=0, gzip", "gzip"],
  ["gzip;q=0, br;q=0.0", null],
  ["BR ; Q=1", "br"],
  ["gzip;q=x", "gzip"],
])("Accept-Encoding %j prefers %s", (accepted, coding) => {
  expect(codingOf(accepted)).toBe(coding);
});

describe("compression", () => {
  let app: TestApp;
  let owner: TestPerson;
  beforeAll(async () => {
    app = await sharedTestApp();
    owner = await app.person("owner");
  });

  /** Sends a request without decoding the answer, which `fetch` would. */
  const ask = (path: string, headers: Record<string, string>, method = "GET", body = "") =>
    new Promise<{ status: number; headers: Record<string, unknown>; body: Buffer }>(
      (resolve, reject) => {
        const sent = httpRequest(
          app.url + path,
          { method, headers: { authorization: `Bearer ${owner.token}`, ...headers } },
          (response) => {
            const isStream = response.headers["content-type"]?.startsWith("text/event-stream");
            const parts: Buffer[] = [];
            const done = (): void => {
              const { statusCode: status = 0, headers: got } = response;
              resolve({ status, headers: got, body: Buffer.concat(parts) });
              sent.destroy();
            };
            if (isStream) return done();
            response.on("data", (part: Buffer) => parts.push(part)).on("end", done);
          },
        );
        sent.on("error", reject).end(body);
      },
    );

  test("a long answer is compressed on request, and equal to the plain one", async () => {
    const plain = await ask("/api/v1/permissions", {});
    expect(plain.headers).not.toHaveProperty("content-encoding");
    expect(plain.headers["vary"]).toContain("Accept-Encoding");
    const br = await ask("/api/v1/permissions", { "accept-encoding": "gzip, br" });
    expect(br.headers).toMatchObject({ "content-encoding": "br" });
    expect(brotliDecompressSync(br.body)).toEqual(plain.body);
    const zip = await ask("/api/v1/permissions", { "accept-encoding": "gzip" });
    expect(zip.headers).toMatchObject({ "content-encoding": "gzip" });
    expect(gunzipSync(zip.body)).toEqual(plain.body);
    expect(zip.headers["content-length"]).toBe(String(zip.body.length));
    // Other bytes: the tag is weak, and both are current.
    expect(zip.headers["etag"]).toBe(`W/${String(plain.headers["etag"])}`);
    for (const tag of [plain.headers["etag"], zip.headers["etag"]]) {
      const same = await ask("/api/v1/permissions", {
        "accept-encoding": "gzip",
        "if-none-match": String(tag),
      });
      expect([same.status, same.body.length]).toEqual([304, 0]);
    }
  });

  test("HEAD has the headers of GET and no body", async () => {
    const headers = { "accept-encoding": "gzip" };
    const [get, head] = [
      await ask("/api/v1/permissions", headers),
      await ask("/api/v1/permissions", headers, "HEAD"),
    ];
    for (const name of ["content-encoding", "content-length", "etag", "vary", "content-type"]) {
      expect([name, head.headers[name]]).toEqual([name, get.headers[name]]);
    }
    expect([head.status, head.body.length]).toEqual([200, 0]);
  });

  test("a compressed item can be changed by its weak tag", async () => {
    const org = await makeOrganization(owner);
    const settings = { text: "x".repeat(2000) };
    await owner.api.organizations.update({ params: { org_id: org.id }, body: { settings } });
    const path = `/api/v1/organizations/${org.id}`;
    const { headers } = await ask(path, { "accept-encoding": "br" });
    expect(headers["etag"]).toMatch(/^W\/"/);
    const json = { "content-type": "application/json", "if-match": String(headers["etag"]) };
    expect((await ask(path, json, "PATCH", '{"name":"New"}')).status).toBe(200);
    expect((await ask(path, json, "PATCH", '{"name":"Newer"}')).status).toBe(412);
  });

  test("pages and documents are compressed as streams and in another thread", async () => {
    for (const path of ["/api/v1/openapi.json", "/api/docs", "/login"]) {
      const plain = await ask(path, {});
      const br = await ask(path, { "accept-encoding": "br" });
      expect([path, br.headers["content-encoding"]]).toEqual([path, "br"]);
      expect(brotliDecompressSync(br.body).toString()).toBe(plain.body.toString());
    }
  });

  test("short answers, answers with secrets and event streams are not", async () => {
    const headers = { "accept-encoding": "br, gzip", "content-type": "application/json" };
    const org = await makeOrganization(owner);
    const short = await ask("/healthz", headers);
    expect(short.headers).not.toHaveProperty("content-encoding");
    const description = "x".repeat(1500);
    const body = JSON.stringify({ name: "CI", description });
    const secret = await ask("/api/v1/auth/api-keys", headers, "POST", body);
    expect([secret.status, secret.body.length > 1024]).toEqual([201, true]);
    expect(secret.headers).not.toHaveProperty("content-encoding");
    const events = await ask(`/api/v1/organizations/${org.id}/events`, headers);
    expect(events.headers["content-type"]).toContain("text/event-stream");
    expect(events.headers).not.toHaveProperty("content-encoding");
  });
});
