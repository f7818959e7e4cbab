import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startTestApp, type TestApp } from "#test/support/server/app.js";
import { problemOf, send } from "#test/support/http/raw-request.js";

/** The server trusts the forwarding headers of the tests. */
describe("limits by address", () => {
  let app: TestApp;
  beforeAll(async () => {
    app = await startTestApp({ OMOI_TRUSTED_PROXIES: "127.0.0.1" });
  });
  afterAll(() => app.close());

  const login = async (from: string, email: string, password = "wrong horse staple") => {
    const headers = { "x-forwarded-for": from };
    const body = { email, password };
    const answer = await send(app, "POST", "/api/v1/auth/login", { headers, body });
    return answer.status === 200 ? 200 : problemOf(answer).code;
  };
  const wrong = "invalid_credentials";
  const limited = "rate_limited";

  test("a /64 network has ten wrong passwords per account", async () => {
    const email = "somebody@example.com";
    for (let host = 1; host <= 10; host += 1) {
      expect(await login(`2001:db8:1:2::${host}`, email)).toBe(wrong);
    }
    expect(await login("2001:db8:1:2:ffff:ffff::1", email)).toBe(limited);
    expect(await login("2001:db8:1:3::1", email)).toBe(wrong);
  });

  test("an IPv4 address equals its IPv6-mapped form", async () => {
    const email = "another@example.com";
    for (let tries = 0; tries < 5; tries += 1) {
      expect(await login("203.0.113.9", email)).toBe(wrong);
      expect(await login("::ffff:203.0.113.9", email)).toBe(wrong);
    }
    expect(await login("203.0.113.9", email)).toBe(limited);
    expect(await login("203.0.113.10", email)).toBe(wrong);
  });

  test("registrations, links and leak reports count per /64, too", async () => {
    for (const [path, body, most] of [
      ["/api/v1/auth/register", { email: "a@example.com", password: "password123" }, 30],
      ["/api/v1/auth/forgot-password", { email: "links@example.com" }, 5],
      ["/api/v1/auth/verify-email", { token: "made up" }, 30],
    ] as const) {
      const statuses = [];
      for (let host = 0; host <= most; host += 1) {
        const headers = { "x-forwarded-for": `2001:db8:5:5::${host.toString(16)}` };
        statuses.push((await send(app, "POST", path, { headers, body })).status);
      }
      expect([path, statuses.filter((status) => status === 429)]).toEqual([path, [429]]);
    }
  });
});
