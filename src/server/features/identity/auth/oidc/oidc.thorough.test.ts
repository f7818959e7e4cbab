// Thorough: variants of identity providers, each with an application of its own.
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import {
  expectProblem,
  startTestApp,
  type TestApp,
  type TestPerson,
} from "#test/support/server/app.js";
import { CookieJar, IdentityProvider } from "#test/support/auth/identity-provider.js";
import { queryAsOwner } from "#test/support/database/queries.js";
import { send } from "#test/support/http/raw-request.js";

const startPath = "/api/v1/auth/oidc/start";

describe("signing in through an identity provider", () => {
  const idp = new IdentityProvider();
  let app: TestApp;
  beforeAll(async () => {
    await idp.start();
    app = await startTestApp(idp.env);
  });
  afterAll(async () => {
    await app.close();
    await idp.stop();
  });
  afterEach(() => {
    idp.deviations = {};
    vi.useRealTimers();
  });

  let people = 0;
  const newPerson = () => {
    people += 1;
    const email = `sso-${people}@example.com`;
    return { sub: `subject-${people}`, email, email_verified: true, name: `Person ${people}` };
  };
  /** Follows the sign-in up to the provider's redirect back. */
  const approve = async (jar: CookieJar, query = "", at = app): Promise<string> => {
    const started = await jar.get(at.url + startPath + query);
    expect(started.status).toBe(302);
    return (await jar.get(started.location)).location;
  };
  const signIn = async (jar = new CookieJar(), query = "", at = app) => {
    const { status, location } = await jar.get(await approve(jar, query, at));
    expect(status).toBe(302);
    return { location, isIn: jar.cookies.has("omoi_session"), jar };
  };
  const me = async ({ header }: CookieJar, at = app) => {
    const answer = await send(at, "GET", "/api/v1/auth/me", { headers: { cookie: header } });
    return JSON.parse(answer.text) as Awaited<ReturnType<TestPerson["api"]["auth"]["me"]>>["data"];
  };
  const verify = (id: string, at = app) =>
    queryAsOwner(at, "update users set is_verified = true where id = $1", [id]);

  test("the address may come from the userinfo endpoint, with the client secret in the body", async () => {
    const other = new IdentityProvider();
    await other.start();
    other.authMethods = ["client_secret_post"];
    other.deviations = { onlyUserinfo: true };
    other.person = newPerson();
    const at = await startTestApp(other.env);
    const { jar } = await signIn(undefined, "", at);
    expect(await me(jar, at)).toMatchObject({ email: other.person.email, is_verified: true });
    await at.close();
    await other.stop();
  });

  test("an unreachable provider is reported on the login page and retried later", async () => {
    const other = new IdentityProvider();
    await other.start();
    const { port } = new URL(other.issuer);
    const at = await startTestApp(other.env);
    await other.stop();
    const jar = new CookieJar();
    expect(await jar.get(`${at.url}${startPath}?redirect=/projects`)).toMatchObject({
      status: 302,
      location: "/login?error=oidc_unavailable&redirect=%2Fprojects",
    });
    const person = await at.person();
    await verify(person.id, at);
    await expectProblem(person.api.oidc.link(), 503, "unavailable");
    const again = new IdentityProvider();
    await again.start(Number(port));
    again.person = newPerson();
    expect((await signIn(undefined, "", at)).isIn).toBe(true);
    const back = await approve(jar, "", at);
    await again.stop();
    expect((await jar.get(back)).location).toBe("/login?error=oidc_unavailable");
    await at.close();
  });
});
