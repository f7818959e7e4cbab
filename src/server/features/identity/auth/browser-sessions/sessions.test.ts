import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { expectProblem, startTestApp, type TestApp } from "#test/support/server/app.js";
import { fieldsOf, problemOf, send, withoutRequestId } from "#test/support/http/raw-request.js";

describe("sessions", () => {
  let app: TestApp;
  beforeAll(async () => {
    app = await startTestApp();
  });
  afterAll(() => app.close());
  const login = (email: string, password: string) =>
    app.client().auth.login({ body: { email, password } });
  const refresh = (token: string) => app.client().auth.refresh({ body: { refresh_token: token } });

  test("a login returns a token pair and its expiry", async () => {
    const person = await app.person("ann");
    const { data, headers } = await login(person.email.toUpperCase(), person.password);
    expect(data).toEqual({
      access_token: expect.stringMatching(/^oat_/) as string,
      refresh_token: expect.stringMatching(/^ort_/) as string,
      token_type: "bearer",
      expires_in: 900,
    });
    expect(headers.get("cache-control")).toBe("no-store");
    const { data: me } = await app.client(data.access_token).auth.me();
    expect(me).toMatchObject({ id: person.id, email: person.email, full_name: "ann" });
    expect(me.last_login_at).not.toBeNull();
  });

  test("a wrong password and an unknown address get the same answer", async () => {
    const person = await app.person();
    const wrong = { email: person.email, password: "not the password" };
    const unknown = { email: "nobody@example.com", password: "not the password" };
    const [one, other] = await Promise.all(
      [wrong, unknown].map((body) => send(app, "POST", "/api/v1/auth/login", { body })),
    );
    expect(one?.status).toBe(401);
    expect(problemOf(one as NonNullable<typeof one>).code).toBe("invalid_credentials");
    expect(withoutRequestId(one as NonNullable<typeof one>)).toBe(
      withoutRequestId(other as NonNullable<typeof other>),
    );
    expect([one?.headers.get("set-cookie"), other?.headers.get("set-cookie")]).toEqual([
      null,
      null,
    ]);
    const answer = await send(app, "POST", "/api/v1/auth/login", { body: { email: "x" } });
    expect(fieldsOf(problemOf(answer)).sort()).toEqual(["body.email", "body.password"]);
  });

  test("ten failed logins block that account from that address only", async () => {
    const [victim, other] = [await app.person(), await app.person()];
    for (let tries = 0; tries < 10; tries += 1) {
      await expectProblem(login(victim.email, "wrong password"), 401, "invalid_credentials");
    }
    const body = { email: victim.email, password: victim.password };
    const answer = await send(app, "POST", "/api/v1/auth/login", { body });
    expect([answer.status, problemOf(answer).code]).toEqual([429, "rate_limited"]);
    const wait = Number(answer.headers.get("retry-after"));
    expect(wait).toBeGreaterThan(0);
    expect(wait).toBeLessThanOrEqual(900);
    expect(answer.headers.get("ratelimit")).toBe(`"default";r=0;t=${wait}`);
    expect(answer.headers.get("ratelimit-policy")).toBe('"default";q=10;w=900');
    // The address is case-insensitive.
    await expectProblem(login(victim.email.toUpperCase(), victim.password), 429, "rate_limited");
    expect((await login(other.email, other.password)).status).toBe(200);
    // Existing sessions are unaffected.
    expect((await victim.api.auth.me()).status).toBe(200);
  });

  test("a refresh rotates the token pair", async () => {
    const person = await app.person();
    const { data: second } = await refresh(person.refreshToken);
    expect(second.refresh_token).not.toBe(person.refreshToken);
    expect((await app.client(second.access_token).auth.me()).data.id).toBe(person.id);
    const { data: third } = await refresh(second.refresh_token);
    expect((await app.client(third.access_token).auth.me()).data.id).toBe(person.id);
    expect((await app.client(third.access_token).auth.sessions()).data).toHaveLength(1);
  });

  test("a replayed refresh token ends the session", async () => {
    const person = await app.person();
    const { data: elsewhere } = await login(person.email, person.password);
    const { data: second } = await refresh(person.refreshToken);
    await expectProblem(refresh(person.refreshToken), 401, "invalid_token");
    await expectProblem(refresh(second.refresh_token), 401, "invalid_token");
    await expectProblem(app.client(second.access_token).auth.me(), 401, "invalid_token");
    await expectProblem(person.api.auth.me(), 401, "invalid_token");
    expect((await app.client(elsewhere.access_token).auth.me()).data.id).toBe(person.id);
  });

  test("of two concurrent refreshes with one token at most one succeeds", async () => {
    const person = await app.person();
    const outcomes = await Promise.allSettled(
      Array.from({ length: 5 }, () => refresh(person.refreshToken)),
    );
    const won = outcomes.filter(({ status }) => status === "fulfilled");
    expect(won.length).toBeLessThanOrEqual(1);
    await expectProblem(person.api.auth.me(), 401, "invalid_token");
  });

  test("a logout ends access token, refresh token and cookie in every process, and nothing else", async () => {
    const person = await app.person();
    const sibling = await app.sibling();
    const { data, headers } = await login(person.email, person.password);
    const cookie = (headers.get("set-cookie") ?? "").split(";")[0] as string;
    const signedIn = app.client(data.access_token);
    const out = await signedIn.auth.logout();
    expect(out.status).toBe(204);
    expect(out.headers.get("set-cookie")).toMatch(/^omoi_session=;.*Expires=Thu, 01 Jan 1970/);
    for (const process of [app, sibling]) {
      await expectProblem(process.client(data.access_token).auth.me(), 401, "invalid_token");
      const refreshed = process
        .client()
        .auth.refresh({ body: { refresh_token: data.refresh_token } });
      await expectProblem(refreshed, 401, "invalid_token");
      const withCookie = await send(process, "GET", "/api/v1/auth/me", { headers: { cookie } });
      expect([withCookie.status, problemOf(withCookie).code]).toEqual([401, "invalid_token"]);
    }
    await sibling.close();
    expect((await person.api.auth.me()).status).toBe(200);
  });

  test("are listed with their origin and ended one by one", async () => {
    const person = await app.person();
    const body = { email: person.email, password: person.password };
    const other = await send(app, "POST", "/api/v1/auth/login", {
      body,
      headers: { "user-agent": "Firefox on a desk" },
    });
    const { access_token } = JSON.parse(other.text) as { access_token: string };
    const { data } = await person.api.auth.sessions();
    expect(data).toHaveLength(2);
    const current = data.find((session) => session.current);
    const away = data.find((session) => !session.current);
    expect(away).toMatchObject({ user_agent: "Firefox on a desk", ip: "127.0.0.1" });
    expect(Date.parse(away?.expires_at as string)).toBeGreaterThan(Date.now());

    const end = (session_id: string) => person.api.auth.endSession({ params: { session_id } });
    expect((await end(away?.id as string)).status).toBe(204);
    await expectProblem(app.client(access_token).auth.me(), 401, "invalid_token");
    await expectProblem(end(away?.id as string), 404, "not_found");
    await expectProblem(end(randomUUID()), 404, "not_found");
    const stranger = await app.person();
    const params = { session_id: current?.id as string };
    await expectProblem(stranger.api.auth.endSession({ params }), 404, "not_found");
    expect((await person.api.auth.sessions()).data.map(({ id }) => id)).toEqual([current?.id]);
  });

  test("all other sessions end at once in every process, but no other user's", async () => {
    const [person, stranger] = [await app.person(), await app.person()];
    const sibling = await app.sibling();
    const { data: other } = await login(person.email, person.password);
    expect((await sibling.client(other.access_token).auth.me()).status).toBe(200);
    expect((await person.api.auth.endOtherSessions()).status).toBe(204);
    await expectProblem(sibling.client(other.access_token).auth.me(), 401, "invalid_token");
    await expectProblem(refresh(other.refresh_token), 401, "invalid_token");
    await sibling.close();
    const { data } = await person.api.auth.sessions();
    expect(data.map(({ current }) => current)).toEqual([true]);
    expect((await stranger.api.auth.me()).status).toBe(200);
    await expectProblem(app.client().auth.endOtherSessions(), 401, "unauthenticated");
  });

  test("a PATCH of the profile changes given fields; null clears", async () => {
    const { api } = await app.person("ann");
    const patch = async (body: Parameters<typeof api.auth.updateMe>[0]["body"]) =>
      (await api.auth.updateMe({ body })).data;
    const attributes = { team: "core", nested: { a: [1, null] } };
    expect(await patch({ department: "R&D", attributes })).toMatchObject({
      full_name: "ann",
      department: "R&D",
      attributes,
    });
    expect(await patch({})).toMatchObject({ full_name: "ann", department: "R&D", attributes });
    expect(await patch({ full_name: null })).toMatchObject({ full_name: null, department: "R&D" });
    expect((await patch({ attributes: {} })).attributes).toEqual({});
    const size = 4 * 1024 - JSON.stringify({ a: "" }).length;
    expect((await patch({ attributes: { a: "x".repeat(size) } })).full_name).toBeNull();
    for (const [body, field] of [
      [{ attributes: { a: "x".repeat(size + 1) } }, "body.attributes"],
      [{ attributes: null }, "body.attributes"],
      [{ attributes: { a: "\u0000" } }, "body.attributes.a"],
      [{ full_name: "" }, "body.full_name"],
      [{ department: "x".repeat(256) }, "body.department"],
      [{ email: "other@example.com" }, "body.email"],
      [{ is_super_admin: true }, "body.is_super_admin"],
      [{ is_verified: true }, "body.is_verified"],
    ] as [object, string][]) {
      const problem = await expectProblem(api.auth.updateMe({ body }), 422, "validation_failed");
      expect(fieldsOf(problem)).toEqual([field]);
    }
    expect((await api.auth.me()).data.is_super_admin).toBe(false);
  });
});
