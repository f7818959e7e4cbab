import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import { problemOf, send } from "#test/support/http/raw-request.js";

const listed = "https://app.example.com";

describe("requests of other origins", () => {
  let app: TestApp;
  let person: TestPerson;
  beforeAll(async () => {
    app = await startTestApp({ OMOI_CORS_ORIGINS: `${listed}, http://localhost:3000` });
    person = await app.person();
  });
  afterAll(() => app.close());

  const preflight = (path: string, origin: string, method = "PATCH") =>
    send(app, "OPTIONS", path, {
      headers: {
        origin,
        "access-control-request-method": method,
        "access-control-request-headers": "authorization,if-match",
      },
    });

  test("a listed origin may send a bearer token and read the headers of the API", async () => {
    const asked = await preflight("/api/v1/auth/me", listed);
    expect([asked.status, asked.text]).toEqual([204, ""]);
    expect(Object.fromEntries(asked.headers)).toMatchObject({
      "access-control-allow-origin": listed,
      "access-control-allow-methods": "GET, HEAD, OPTIONS, PATCH",
      "access-control-allow-headers": expect.stringContaining("Authorization") as string,
      "access-control-max-age": "600",
      vary: expect.stringContaining("Origin") as string,
    });
    const answer = await send(app, "GET", "/api/v1/auth/me", {
      token: person.token,
      headers: { origin: listed },
    });
    expect(answer.status).toBe(200);
    expect(answer.headers.get("access-control-allow-origin")).toBe(listed);
    expect(answer.headers.get("access-control-expose-headers")).toMatch(
      /ETag.*Link, Location, RateLimit/,
    );
    const refused = await send(app, "GET", "/api/v1/auth/me", { headers: { origin: listed } });
    expect([refused.status, refused.headers.get("access-control-allow-origin")]).toEqual([
      401,
      listed,
    ]);
  });

  test("no origin is allowed credentials, and the cookie does not work for a listed one", async () => {
    const { email, password } = person;
    const signedIn = await send(app, "POST", "/api/v1/auth/login", { body: { email, password } });
    const cookie = signedIn.headers
      .getSetCookie()
      .map((text) => text.split(";")[0])
      .join("; ");
    const headers = { origin: listed, cookie, "content-type": "application/json" };
    const write = await send(app, "PATCH", "/api/v1/auth/me", { headers, body: "{}" });
    expect([write.status, problemOf(write).code]).toEqual([403, "cross_origin"]);
    for (const answer of [
      write,
      await send(app, "GET", "/api/v1/auth/me", { headers: { origin: listed, cookie } }),
      await preflight("/api/v1/auth/me", listed),
    ]) {
      expect(answer.headers.has("access-control-allow-credentials")).toBe(false);
    }
  });

  test.each(["https://app.example.com.evil.example", "http://app.example.com", "null", "*"])(
    "the origin %s gets no permission",
    async (origin) => {
      const asked = await preflight("/api/v1/auth/me", origin);
      const answer = await send(app, "GET", "/api/v1/auth/me", { headers: { origin } });
      for (const { headers } of [asked, answer]) {
        expect(headers.has("access-control-allow-origin")).toBe(false);
        expect(headers.get("vary")).toContain("Origin");
      }
    },
  );

  test("a preflight of an unknown path is 404, and pages are never shared", async () => {
    expect((await preflight("/api/v1/nothing", listed)).status).toBe(404);
    const page = await send(app, "GET", "/login", { headers: { origin: listed } });
    expect(page.headers.has("access-control-allow-origin")).toBe(false);
  });

  test("without the setting no origin is listed", async () => {
    const closed = await startTestApp();
    const answer = await send(closed, "GET", "/api/v1/permissions", {
      headers: { origin: listed },
    });
    expect(answer.headers.has("access-control-allow-origin")).toBe(false);
    expect(answer.headers.get("vary") ?? "").not.toContain("Origin");
    await closed.close();
  });
});
