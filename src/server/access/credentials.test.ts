import { request } from "node:http";
import { randomUUID } from "node:crypto";
import { beforeAll, describe, expect, test } from "vitest";
import {
  sharedTestApp,
  startTestApp,
  type TestApp,
  type TestPerson,
} from "#test/support/server/app.js";
import { queryAsOwner } from "#test/support/database/queries.js";
import { rounds } from "#test/support/thorough.js";
import { problemOf, send, withoutRequestId } from "#test/support/http/raw-request.js";
import { signToken } from "../features/identity/auth/browser-sessions/tokens.js";

const me = "/api/v1/auth/me";

describe("credentials", () => {
  let app: TestApp;
  let person: TestPerson;
  beforeAll(async () => {
    app = await sharedTestApp();
    person = await app.person("ann");
  });

  const get = (headers: Record<string, string>) => send(app, "GET", me, { headers });
  const bearer = (token: string) => get({ authorization: `Bearer ${token}` });

  test("none at all is 401 with the plain challenge, before any other check", async () => {
    for (const [method, path, body] of [
      ["GET", me, undefined],
      ["POST", "/api/v1/organizations", { nonsense: true }],
      ["GET", "/api/v1/agents/no-id", undefined],
      ["DELETE", "/api/v1/auth/sessions/no-id", undefined],
      ["GET", "/api/v1/projects?limit=0", undefined],
    ] as const) {
      const answer = await send(app, method, path, { body });
      expect([path, answer.status, problemOf(answer).code]).toEqual([path, 401, "unauthenticated"]);
      expect(answer.headers.get("www-authenticate")).toBe("Bearer");
    }
  });

  test("malformed and foreign ones are 401 invalid_token, all with one answer", async () => {
    const answers = new Set<string>();
    for (const authorization of [
      "Bearer",
      "Bearer ",
      "Bearer a b",
      "Basic dXNlcjpwYXNzd29yZA==",
      "Token x",
      person.token,
      `Bearer ${"x".repeat(5000)}`,
      "Bearer oat_",
      "Bearer oat_AAAA",
      "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0.",
      `Bearer ${person.refreshToken}`,
      `Bearer ${randomUUID()}`,
    ]) {
      const answer = await get({ authorization });
      expect([authorization, answer.status]).toEqual([authorization, 401]);
      expect(answer.headers.get("www-authenticate")).toBe('Bearer error="invalid_token"');
      answers.add(withoutRequestId(answer));
    }
    expect(answers.size).toBe(1);
  });

  test("the scheme's name is case-insensitive", async () => {
    for (const scheme of ["bearer", "BEARER"]) {
      expect((await get({ authorization: `${scheme} ${person.token}` })).status).toBe(200);
    }
  });

  test("a token with any character changed is refused", async () => {
    const { token } = person;
    for (let place = 0; place < token.length; place += 1) {
      for (const other of ["A", "B", "_"].slice(0, rounds({ thorough: 3, else: 1 }))) {
        if (token.charAt(place) === other) continue;
        const forged = token.slice(0, place) + other + token.slice(place + 1);
        expect([forged, (await bearer(forged)).status]).toEqual([forged, 401]);
      }
    }
    for (const forged of [
      `${token}A`,
      `${token}=`,
      token.slice(0, -1),
      `${token.slice(0, 8)}!${token.slice(8)}`,
    ]) {
      expect([forged, (await bearer(forged)).status]).toEqual([forged, 401]);
    }
  });

  test("a token signed with another secret, expired, or for another purpose, is refused", async () => {
    const { data: sessions } = await person.api.auth.sessions();
    const now = Math.floor(Date.now() / 1000);
    const claims = { sessionId: sessions[0]?.id as string, generation: 0, expires: now + 60 };
    const { secret } = app.config;
    const status = async (token: string) => (await bearer(token)).status;
    expect(await status(signToken(secret, "access", claims))).toBe(200);
    expect(await status(signToken("another secret", "access", claims))).toBe(401);
    expect(await status(signToken("", "access", claims))).toBe(401);
    expect(await status(signToken(secret, "access", { ...claims, expires: now }))).toBe(401);
    const nobody = { ...claims, sessionId: randomUUID() };
    expect(await status(signToken(secret, "access", nobody))).toBe(401);
    for (const kind of ["refresh", "cookie"] as const) {
      const token = signToken(secret, kind, claims);
      expect(await status(token)).toBe(401);
      expect(await status(token.replace(/^o.._/, "oat_"))).toBe(401);
    }
    for (const refresh_token of [
      person.token,
      person.token.replace("oat_", "ort_"),
      signToken("another secret", "refresh", claims),
    ]) {
      const answer = await send(app, "POST", "/api/v1/auth/refresh", { body: { refresh_token } });
      expect([answer.status, problemOf(answer).code]).toEqual([401, "invalid_token"]);
    }
    expect((await person.api.auth.me()).status).toBe(200);
  });

  test("a session that is over is refused, whatever its token says", async () => {
    const leaver = await app.person();
    await queryAsOwner(app, "update sessions set expires_at = now() where user_id = $1", [
      leaver.id,
    ]);
    expect((await bearer(leaver.token)).status).toBe(401);
    const body = { refresh_token: leaver.refreshToken };
    expect((await send(app, "POST", "/api/v1/auth/refresh", { body })).status).toBe(401);
  });
});

describe("the session cookie", () => {
  let app: TestApp;
  let person: TestPerson;
  let cookie: string;
  let setCookie: string;
  beforeAll(async () => {
    app = await sharedTestApp();
    person = await app.person("ann");
    const body = { email: person.email, password: person.password };
    const { headers } = await app.client().auth.login({ body });
    setCookie = headers.get("set-cookie") ?? "";
    cookie = setCookie.split(";")[0] as string;
  });

  const patch = (headers: Record<string, string>) =>
    send(app, "PATCH", me, { headers: { cookie, ...headers }, body: { full_name: "Ann" } });

  test("is out of reach for scripts and other sites, and holds no token that is used elsewhere", async () => {
    expect(setCookie).toMatch(/^omoi_session=ocs_[\w-]+; /);
    expect(setCookie).toContain("; Path=/");
    expect(setCookie).toContain("; HttpOnly");
    expect(setCookie).toContain("; SameSite=Lax");
    expect(setCookie).not.toContain("Secure");
    // Beside it one that scripts may read, and that opens nothing.
    const marker = setCookie.split(/, (?=omoi_)/)[1] ?? "";
    expect(marker).toMatch(/^omoi_signed_in=1; /);
    expect(marker).not.toContain("HttpOnly");
    expect((await send(app, "GET", me, { headers: { cookie: marker } })).status).toBe(401);
    const token = cookie.slice("omoi_session=".length);
    expect((await send(app, "GET", me, { token })).status).toBe(401);
    const body = { refresh_token: token };
    expect((await send(app, "POST", "/api/v1/auth/refresh", { body })).status).toBe(401);
  });

  test("is sent over https only where the installation is public there", async () => {
    const secure = await startTestApp({ OMOI_PUBLIC_URL: "https://omoi.example.com" });
    const { email, password } = await secure.person();
    const { headers } = await secure.client().auth.login({ body: { email, password } });
    expect(headers.get("set-cookie")).toContain("; Secure");
    await secure.close();
  });

  test("signs in; a bearer token beside it counts first", async () => {
    const answer = await send(app, "GET", me, { headers: { cookie } });
    expect(JSON.parse(answer.text)).toMatchObject({ id: person.id });
    const other = await app.person("other");
    const both = await send(app, "GET", me, { headers: { cookie }, token: other.token });
    expect(JSON.parse(both.text)).toMatchObject({ id: other.id });
    const bad = await send(app, "GET", me, { headers: { cookie }, token: "nonsense" });
    expect(bad.status).toBe(401);
    const forged = await send(app, "GET", me, {
      headers: { cookie: `${cookie.slice(0, -4)}AAAA` },
    });
    expect([forged.status, problemOf(forged).code]).toEqual([401, "invalid_token"]);
  });

  test("changes state for our own pages alone", async () => {
    for (const headers of [
      { origin: "https://evil.example" },
      { origin: "null" },
      { origin: app.url.replace("http:", "ftp:") },
      { origin: `${app.url}.evil.example` },
      { origin: app.url.replace(/:\d+$/, ":1") },
      { "sec-fetch-site": "cross-site" },
      { "sec-fetch-site": "same-site" },
      { "sec-fetch-site": "none" },
      { origin: "https://evil.example", "sec-fetch-site": "same-origin" },
      {},
    ] as Record<string, string>[]) {
      const answer = await patch(headers);
      const said = [headers, answer.status, problemOf(answer).code];
      expect(said).toEqual([headers, 403, "cross_origin"]);
    }
    expect((await person.api.auth.me()).data.full_name).toBe("ann");
    expect((await patch({ origin: app.url })).status).toBe(200);
    expect((await patch({ "sec-fetch-site": "same-origin" })).status).toBe(200);
    // Reading changes nothing: a link from elsewhere may lead here.
    const read = await send(app, "GET", me, {
      headers: { cookie, origin: "https://evil.example" },
    });
    expect(read.status).toBe(200);
    expect(read.headers.get("access-control-allow-origin")).toBeNull();
  });

  test("takes the pages of a name that another site points here for foreign", async () => {
    const { port } = new URL(app.url);
    const patchAt = (host: string, said: Record<string, string>) =>
      new Promise<number | undefined>((resolve, reject) => {
        const headers = { host, cookie, "content-type": "application/json", ...said };
        const sent = request(app.url + me, { method: "PATCH", headers }, (answer) => {
          answer.resume();
          resolve(answer.statusCode);
        });
        sent.on("error", reject).end("{}");
      });
    for (const host of [
      `evil.example:${port}`,
      `10.9.8.7:${port}`,
      `localhost.evil.example:${port}`,
    ]) {
      expect(await patchAt(host, { origin: `http://${host}` })).toBe(403);
      expect(await patchAt(host, { "sec-fetch-site": "same-origin" })).toBe(403);
    }
    // A loopback host is accepted at any port, for development servers and tunnels.
    for (const host of [`localhost:${port}`, `127.0.0.1:${port}`, "localhost:5173", "[::1]:9000"]) {
      expect(await patchAt(host, { origin: `http://${host}` })).toBe(200);
      expect(await patchAt(host, { origin: "http://evil.example" })).toBe(403);
    }
  });

  test("refreshes only for our own pages, and works on after it", async () => {
    const refresh = (headers: Record<string, string>) =>
      send(app, "POST", "/api/v1/auth/refresh", { headers: { cookie, ...headers } });
    const foreign = await refresh({ origin: "https://evil.example" });
    expect([foreign.status, problemOf(foreign).code]).toEqual([403, "cross_origin"]);
    const answer = await refresh({ origin: app.url });
    expect(answer.status).toBe(200);
    const next = (answer.headers.get("set-cookie") ?? "").split(";")[0] as string;
    for (const each of [cookie, next]) {
      expect((await send(app, "GET", me, { headers: { cookie: each } })).status).toBe(200);
    }
    const none = await send(app, "POST", "/api/v1/auth/refresh", { headers: { origin: app.url } });
    expect([none.status, problemOf(none).code]).toEqual([401, "unauthenticated"]);
    expect(none.headers.get("www-authenticate")).toBe("Bearer");
  });

  test("with a public address elsewhere, pages there are our own too", async () => {
    const proxied = await startTestApp({ OMOI_PUBLIC_URL: "https://omoi.example.com" });
    const { email, password } = await proxied.person();
    const { headers } = await proxied.client().auth.login({ body: { email, password } });
    const own = (headers.get("set-cookie") ?? "").split(";")[0] as string;
    const from = (origin: string) =>
      send(proxied, "PATCH", me, { headers: { cookie: own, origin }, body: {} });
    expect((await from("https://omoi.example.com")).status).toBe(200);
    expect((await from("http://omoi.example.com")).status).toBe(403);
    await proxied.close();
  });
});
