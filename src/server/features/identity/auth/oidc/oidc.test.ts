import { randomUUID } from "node:crypto";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import type { OidcError } from "#shared/identity/oidc-errors.js";
import { systemRoleIds } from "../../../../db/migrate.js";
import {
  expectProblem,
  startTestApp,
  type TestApp,
  type TestPerson,
} from "#test/support/server/app.js";
import { CookieJar, IdentityProvider } from "#test/support/auth/identity-provider.js";
import { queryAsOwner } from "#test/support/database/queries.js";
import { mailedToken } from "#test/support/mail/outbox.js";
import { problemOf, send } from "#test/support/http/raw-request.js";

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
  const countPeople = async () =>
    (await queryAsOwner<{ count: number }>(app, "select count(*)::int as count from users"))[0];
  const failed = (code: OidcError) => ({
    location: `/login?error=${code}`,
    isIn: false,
  });

  test("the first user is a verified super admin and returns to the requested path", async () => {
    idp.person = newPerson();
    const { location, jar } = await signIn(undefined, "?redirect=/projects%3Fa%3Db%23c");
    expect(location).toBe("/projects?a=b#c");
    expect(await me(jar)).toMatchObject({
      email: idp.person.email,
      full_name: idp.person.name,
      is_super_admin: true,
      is_verified: true,
    });
    expect(jar.cookies.has("omoi_oidc")).toBe(false);
    expect((await app.client().auth.methods()).data.oidc).toEqual({ name: "Acme ID" });
  });

  test("the same identity is the same user, even with another address", async () => {
    idp.person = newPerson();
    const { id, email, is_super_admin } = await me((await signIn()).jar);
    expect(is_super_admin).toBe(false);
    idp.person = { ...idp.person, email: "moved@example.com", email_verified: false };
    expect(await me((await signIn()).jar)).toMatchObject({ id, email });
  });

  test("two concurrent first sign-ins of one user create one account", async () => {
    idp.person = newPerson();
    const jars = Array.from({ length: 4 }, () => new CookieJar());
    const outcomes = await Promise.all(jars.map((jar) => signIn(jar)));
    expect(outcomes.every(({ isIn }) => isIn)).toBe(true);
    expect(new Set((await Promise.all(jars.map((jar) => me(jar)))).map(({ id }) => id)).size).toBe(
      1,
    );
  });

  test("the state is in an encrypted cookie, hidden from scripts and other sites", async () => {
    const jar = new CookieJar();
    const { location, setCookie } = await jar.get(app.url + startPath);
    expect(setCookie[0]).toMatch(
      /^omoi_oidc=[\w-]+; Max-Age=600; Path=\/api\/v1\/auth\/oidc; HttpOnly; SameSite=Lax$/,
    );
    const asked = new URL(location).searchParams;
    expect(asked.get("code_challenge_method")).toBe("S256");
    expect(asked.get("scope")).toBe("openid email profile");
    expect(asked.get("redirect_uri")).toBe(`${app.url}/api/v1/auth/oidc/callback`);
    const kept = Buffer.from(jar.cookies.get("omoi_oidc") ?? "", "base64url").toString("latin1");
    expect(kept).not.toContain(asked.get("state"));
    expect(kept).not.toContain("verifier");
  });

  test.each([
    ["a nonce of another sign-in", { claims: { nonce: "another" } }],
    ["no nonce", { claims: { nonce: undefined } }],
    ["another audience", { claims: { aud: "another-client" } }],
    ["another issuer", { claims: { iss: "https://evil.example" } }],
    ["an ID token that has expired", { claims: { exp: Math.floor(Date.now() / 1000) - 3600 } }],
    ["no subject", { claims: { sub: undefined } }],
    ["a signature by another key", { foreignKey: true }],
    ["no signature", { unsigned: true }],
    ["no token", { tokenStatus: 400 }],
  ])("%s is rejected", async (_what, deviations) => {
    idp.person = newPerson();
    idp.deviations = deviations;
    const before = await countPeople();
    expect(await signIn()).toMatchObject(failed("oidc_failed"));
    expect(await countPeople()).toEqual(before);
  });

  test("a wrong state, a forged callback and a replay are rejected", async () => {
    idp.person = newPerson();
    const jar = new CookieJar();
    const back = await approve(jar);
    const kept = jar.cookies.get("omoi_oidc") as string;
    const call = async (url: string, cookie = kept) => {
      const other = new CookieJar();
      other.cookies.set("omoi_oidc", cookie);
      const { location } = await other.get(url);
      return { location, isIn: other.cookies.has("omoi_session") };
    };
    const otherState = new URL(back);
    otherState.searchParams.set("state", "another");
    expect(await call(otherState.href)).toMatchObject(failed("oidc_failed"));
    otherState.searchParams.delete("state");
    expect(await call(otherState.href)).toMatchObject(failed("oidc_failed"));
    const otherCode = new URL(back);
    otherCode.searchParams.set("code", "another");
    expect(await call(otherCode.href)).toMatchObject(failed("oidc_failed"));
    expect(await call(back)).toMatchObject({ location: "/", isIn: true });
    expect(await call(back)).toMatchObject(failed("oidc_failed"));
  });

  test("a callback with an invalid access token is 401", async () => {
    const answer = await send(app, "GET", "/api/v1/auth/oidc/callback?code=a&state=b", {
      headers: { authorization: "Bearer oat_unknown" },
    });
    expect([answer.status, problemOf(answer).code]).toEqual([401, "invalid_token"]);
  });

  test("a callback that this browser did not request is rejected", async () => {
    idp.person = newPerson();
    const back = await approve(new CookieJar());
    // A link with the attacker's code must not sign the victim in to the attacker's account.
    for (const cookie of [null, "", "AAAA", "x".repeat(200)]) {
      const jar = new CookieJar();
      if (cookie !== null) jar.cookies.set("omoi_oidc", cookie);
      const { location } = await jar.get(back);
      expect([location, jar.cookies.has("omoi_session")]).toEqual([
        "/login?error=oidc_expired",
        false,
      ]);
    }
    const other = new CookieJar();
    await approve(other);
    expect((await other.get(back)).location).toBe("/login?error=oidc_failed");
    const late = new CookieJar();
    const backLate = await approve(late);
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 10 * 60_000 + 1000 });
    expect((await late.get(backLate)).location).toBe("/login?error=oidc_expired");
  });

  test.each([
    "https://evil.example/",
    "//evil.example/",
    "/\\evil.example/",
    "/\t/evil.example",
    "/.//evil.example/",
    "javascript:alert(1)",
    "evil",
  ])("%j is not a valid return path", async (target) => {
    idp.person = newPerson();
    const query = `?redirect=${encodeURIComponent(target)}`;
    expect((await signIn(undefined, query)).location).toBe("/");
    idp.deviations = { refuse: "access_denied" };
    expect((await signIn(undefined, query)).location).toBe("/login?error=oidc_cancelled");
  });

  test("a canceled or failed sign-in is reported on the login page, which keeps the path", async () => {
    idp.deviations = { refuse: "access_denied" };
    const { location } = await signIn(undefined, "?redirect=/projects");
    expect(location).toBe("/login?error=oidc_cancelled&redirect=%2Fprojects");
    idp.deviations = { refuse: "server_error" };
    expect(await signIn()).toMatchObject(failed("oidc_failed"));
  });

  test("an existing account is linked only if both sides verified the address", async () => {
    const victim = await app.person();
    const attacker = { sub: "attacker", email: victim.email, name: "Mallory" };
    for (const email_verified of [false, "true", undefined]) {
      idp.person = { ...attacker, ...(email_verified === undefined ? {} : { email_verified }) };
      expect(await signIn()).toMatchObject(failed("oidc_email_unverified"));
    }
    // The address may have been registered by an attacker: its owner must not get that account.
    idp.person = { ...attacker, email_verified: true };
    expect(await signIn()).toMatchObject(failed("oidc_not_linked"));
    await verify(victim.id);
    idp.person = { ...attacker, email: victim.email.toUpperCase(), email_verified: true };
    expect((await me((await signIn()).jar)).id).toBe(victim.id);
    expect((await victim.api.oidc.identities()).data).toMatchObject([{ issuer: `${idp.issuer}/` }]);
  });

  test("an address alone does not bypass a second factor", async () => {
    const person = await app.person();
    await verify(person.id);
    await person.api.secondFactor.startTotp();
    await queryAsOwner(app, "update totp_secrets set confirmed_at = now() where user_id = $1", [
      person.id,
    ]);
    idp.person = { sub: randomUUID(), email: person.email, email_verified: true };
    expect(await signIn()).toMatchObject(failed("oidc_not_linked"));
  });

  test("no account is created without a verified address", async () => {
    const before = await countPeople();
    for (const person of [
      { sub: "a", email: "unverified@example.com" },
      { sub: "b", email: "unverified@example.com", email_verified: false },
      { sub: "c", email_verified: true },
      { sub: "d", email: "nonsense", email_verified: true },
    ]) {
      idp.person = person;
      expect(await signIn()).toMatchObject(failed("oidc_email_unverified"));
    }
    expect(await countPeople()).toEqual(before);
  });

  test("with closed registration, only the first user and linked users sign in", async () => {
    const at = await startTestApp({ ...idp.env, OMOI_REGISTRATION: "invite" });
    expect((await at.client().auth.methods()).data.registration).toBe("open");
    idp.person = newPerson();
    const { jar } = await signIn(undefined, "", at);
    expect((await me(jar, at)).is_super_admin).toBe(true);
    expect((await at.client().auth.methods()).data.registration).toBe("invite");
    const first = idp.person;
    idp.person = newPerson();
    expect(await signIn(undefined, "", at)).toMatchObject(failed("registration_closed"));
    idp.person = first;
    const back = await signIn(undefined, "", at);
    expect(back.isIn).toBe(true);

    // An invitation's link admits its own address.
    const inviter = (path: string, body: object) =>
      send(at, "POST", path, { headers: { cookie: back.jar.header, origin: at.url }, body });
    const { id } = JSON.parse((await inviter("/api/v1/organizations", { name: "Acme" })).text) as {
      id: string;
    };
    const guest = newPerson();
    const { invite_url } = JSON.parse(
      (
        await inviter(`/api/v1/organizations/${id}/invitations`, {
          email: guest.email,
          role_id: systemRoleIds.viewer,
        })
      ).text,
    ) as { invite_url: string };
    const query = `?redirect=${encodeURIComponent(new URL(invite_url).pathname)}`;
    idp.person = newPerson();
    expect((await signIn(undefined, query, at)).location).toContain("error=registration_closed");
    idp.person = guest;
    expect((await me((await signIn(undefined, query, at)).jar, at)).email).toBe(guest.email);
    await at.close();
  });

  test("during maintenance, known people sign in, and others get no account", async () => {
    const maintain = async (message: string | null): Promise<void> => {
      await queryAsOwner(
        app,
        `update installation set maintenance_message = $1::text,
           maintenance_since = case when $1::text is not null then now() end`,
        [message],
      );
      await app.db.changes.syncLocal();
    };
    idp.person = newPerson();
    await signIn();
    await maintain("Back soon.");
    expect((await signIn()).isIn).toBe(true);
    idp.person = newPerson();
    expect(await signIn()).toMatchObject(failed("registration_closed"));
    await maintain(null);
    expect((await signIn()).isIn).toBe(true);
  });

  test("deactivated users are rejected", async () => {
    idp.person = newPerson();
    const { id } = await me((await signIn()).jar);
    await queryAsOwner(app, "update users set is_active = false where id = $1", [id]);
    expect(await signIn()).toMatchObject(failed("account_inactive"));
    const other = await app.person();
    await verify(other.id);
    await queryAsOwner(app, "update users set is_active = false where id = $1", [other.id]);
    idp.person = { sub: randomUUID(), email: other.email, email_verified: true };
    expect(await signIn()).toMatchObject(failed("account_inactive"));
  });

  describe("linking", () => {
    const cookieOf = async (person: TestPerson): Promise<CookieJar> => {
      const jar = new CookieJar();
      const body = { email: person.email, password: person.password };
      const { headers } = await send(app, "POST", "/api/v1/auth/login", { body });
      jar.keep(headers.getSetCookie());
      return jar;
    };
    const beginLink = async (jar: CookieJar): Promise<string> => {
      const answer = await send(app, "POST", "/api/v1/auth/oidc/link", {
        headers: { cookie: jar.header, origin: app.url },
        body: { redirect: "/settings/security" },
      });
      jar.keep(answer.headers.getSetCookie());
      const { url } = JSON.parse(answer.text) as { url: string };
      return (await jar.get(url)).location;
    };

    test("adds an identity to an account, which then signs in", async () => {
      const person = await app.person();
      await verify(person.id);
      const jar = await cookieOf(person);
      // No address is needed: the user is signed in on both sides.
      idp.person = { sub: randomUUID() };
      expect((await jar.get(await beginLink(jar))).location).toBe("/settings/security");
      expect((await me((await signIn()).jar)).id).toBe(person.id);
      // Repeating it changes nothing.
      expect((await jar.get(await beginLink(jar))).location).toBe("/settings/security");
      const { data } = await person.api.oidc.identities();
      expect(data).toHaveLength(1);
      const params = { identity_id: data[0]?.id as string };
      await expectProblem((await app.person()).api.oidc.unlink({ params }), 404, "not_found");
      expect((await person.api.oidc.unlink({ params })).status).toBe(204);
      await expectProblem(person.api.oidc.unlink({ params }), 404, "not_found");
      expect(await signIn()).toMatchObject(failed("oidc_email_unverified"));
    });

    test("accounts with an unverified address cannot link or unlink", async () => {
      const person = await app.person();
      const jar = await cookieOf(person);
      await expectProblem(person.api.oidc.link(), 403, "email_unverified");
      await verify(person.id);
      idp.person = { sub: randomUUID() };
      const back = await beginLink(jar);
      await queryAsOwner(app, "update users set is_verified = false where id = $1", [person.id]);
      expect((await jar.get(back)).location).toBe("/settings/security?error=email_unverified");
      expect((await person.api.oidc.identities()).data).toEqual([]);
    });

    test("does not link by address while the password may be another person's", async () => {
      const victim = await app.person();
      const token = await mailedToken(app, victim.email, "verify-email");
      await app.client().auth.verifyEmail({ body: { token } });
      idp.person = { sub: randomUUID(), email: victim.email, email_verified: true };
      expect(await signIn()).toMatchObject(failed("oidc_not_linked"));
    });

    test("does not take an identity from another account", async () => {
      idp.person = newPerson();
      await signIn();
      const person = await app.person();
      await verify(person.id);
      const jar = await cookieOf(person);
      expect((await jar.get(await beginLink(jar))).location).toBe(
        "/settings/security?error=oidc_linked_elsewhere",
      );
    });

    test("must end in the session that began it", async () => {
      const [ann, bob] = [await app.person(), await app.person()];
      for (const { id } of [ann, bob]) await verify(id);
      idp.person = { sub: randomUUID() };
      const jar = await cookieOf(ann);
      const back = await beginLink(jar);
      jar.cookies.set("omoi_session", (await cookieOf(bob)).cookies.get("omoi_session") as string);
      const expired = "/settings/security?error=oidc_expired";
      expect((await jar.get(back)).location).toBe(expired);
      const signedOut = await cookieOf(ann);
      const later = await beginLink(signedOut);
      signedOut.cookies.delete("omoi_session");
      expect((await signedOut.get(later)).location).toBe(expired);
      for (const { api } of [ann, bob]) expect((await api.oidc.identities()).data).toEqual([]);
    });

    test("starts only from the own site and session", async () => {
      const person = await app.person();
      const jar = await cookieOf(person);
      const answer = await send(app, "POST", "/api/v1/auth/oidc/link", {
        headers: { cookie: jar.header, origin: "https://evil.example" },
        body: {},
      });
      expect(problemOf(answer).code).toBe("cross_origin");
      const { data } = await person.api.apiKeys.create({ body: { name: "all" } });
      const { oidc } = app.client(data.key as string);
      await expectProblem(oidc.link(), 403, "session_required");
      const params = { identity_id: randomUUID() };
      await expectProblem(oidc.unlink({ params }), 403, "session_required");
      expect((await oidc.identities()).data).toEqual([]);
    });

    test("keeps the last sign-in method", async () => {
      idp.person = newPerson();
      const { jar } = await signIn();
      const list = await send(app, "GET", "/api/v1/auth/oidc/identities", {
        headers: { cookie: jar.header },
      });
      const [identity] = JSON.parse(list.text) as { id: string }[];
      const answer = await send(app, "DELETE", `/api/v1/auth/oidc/identities/${identity?.id}`, {
        headers: { cookie: jar.header, origin: app.url },
      });
      expect([answer.status, problemOf(answer).code]).toEqual([409, "last_sign_in_method"]);
      expect((await signIn()).isIn).toBe(true);
    });
  });

  test("without a provider the endpoints do not exist", async () => {
    const at = await startTestApp();
    for (const path of [startPath, "/api/v1/auth/oidc/callback?code=a&state=b"]) {
      expect(problemOf(await send(at, "GET", path)).code).toBe("not_found");
    }
    const person = await at.person();
    await expectProblem(person.api.oidc.link(), 404, "not_found");
    expect((await at.client().auth.methods()).data.oidc).toBeNull();
    await at.close();
  });
});
