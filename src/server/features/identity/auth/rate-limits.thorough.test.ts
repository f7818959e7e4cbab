// Thorough: guesses from seventy networks.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import { queryAsOwner } from "#test/support/database/queries.js";
import { problemOf, send } from "#test/support/http/raw-request.js";

/** The server trusts the forwarding headers of the tests. */
describe("limits by address", () => {
  let app: TestApp;
  let person: TestPerson;
  beforeAll(async () => {
    app = await startTestApp({ OMOI_TRUSTED_PROXIES: "127.0.0.1" });
    person = await app.person("person");
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

  test("distributed guesses are slowed down while the owner still signs in", async () => {
    const known = "2001:db8:a:a::1";
    expect(await login(known, person.email, person.password)).toBe(200);
    const from = (network: number): string => `2001:db8:b:${network.toString(16)}::1`;
    for (let network = 0; network < 50; network += 1) {
      expect(await login(from(network), person.email)).toBe(wrong);
    }
    const later = [];
    for (let network = 50; network < 70; network += 1) {
      later.push(await login(from(network), person.email));
    }
    // A one-minute window may end meanwhile.
    expect(later.filter((answer) => answer === limited).length).toBeGreaterThanOrEqual(1);
    expect(later.filter((answer) => answer === wrong).length).toBeLessThanOrEqual(20 - 1);
    // From another address of a network the owner signed in from before.
    expect(await login("2001:db8:a:a:9::9", person.email, person.password)).toBe(200);
    // Another account is unaffected, and elsewhere the owner waits at most a minute.
    expect(await login(from(99), "unconcerned@example.com")).toBe(wrong);
    await queryAsOwner(app, "delete from rate_limits where bucket like 'slow login of %'");
    expect(await login("198.51.100.7", person.email, person.password)).toBe(200);
  });
});
