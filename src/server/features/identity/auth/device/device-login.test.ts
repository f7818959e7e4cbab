import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import {
  expectProblem,
  startTestApp,
  type TestApp,
  type TestPerson,
} from "#test/support/server/app.js";
import { makeAgent, makeOrganization, makeProjectWith } from "#test/support/fixtures/factories.js";
import { queryAsOwner } from "#test/support/database/queries.js";
import { fieldsOf, problemOf, send } from "#test/support/http/raw-request.js";
import { deleteExpiredRequests } from "./device-login.queries.js";

describe("device login", () => {
  let app: TestApp;
  let ann: TestPerson;
  let ben: TestPerson;
  beforeAll(async () => {
    app = await startTestApp({ OMOI_TRUSTED_PROXIES: "127.0.0.1" });
    ann = await app.person("ann");
    ben = await app.person("ben");
  });
  beforeEach(() => queryAsOwner(app, "delete from rate_limits"));
  afterAll(() => app.close());

  const start = async (client_name?: string) => {
    const body = client_name === undefined ? {} : { client_name };
    const { data } = await app.client().deviceLogin.start({ body });
    return data;
  };
  type Started = Awaited<ReturnType<typeof start>>;
  const fetchKey = async ({ device_code }: Pick<Started, "device_code">) =>
    (await app.client().deviceLogin.token({ body: { device_code } })).data;
  const at = ({ user_code }: Pick<Started, "user_code">) => ({ params: { user_code } });
  const approve = ({ user_code }: Started, expires_in_days?: number, by = ann) =>
    by.api.deviceLogin.approve({
      ...at({ user_code }),
      ...(expires_in_days === undefined ? {} : { body: { expires_in_days } }),
    });

  test("a program gets a key with the rights of the person who approves", async () => {
    const started = await start("a laptop");
    expect(started).toMatchObject({
      verification_uri: `${app.url}/device`,
      verification_uri_complete: `${app.url}/device?code=${started.user_code}`,
      expires_in: 900,
      interval: 5,
    });
    expect(started.user_code).toMatch(/^[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}$/);
    expect(Buffer.from(started.device_code, "base64url")).toHaveLength(32);

    const { data: seen } = await ann.api.deviceLogin.get(at(started));
    expect(seen).toMatchObject({
      user_code: started.user_code,
      client_name: "a laptop",
      ip: "127.0.0.1",
      status: "pending",
    });
    expect((await approve(started, 7)).data.status).toBe("approved");

    const { key, api_key, user } = await fetchKey(started);
    expect(user).toEqual({ id: ann.id, email: ann.email, full_name: "ann" });
    expect(api_key).toMatchObject({ name: "omoi on a laptop", scopes: ["*:*"], agent_id: null });
    const days = (Date.parse(String(api_key.expires_at)) - Date.now()) / 86_400_000;
    expect([days > 6.9, days <= 7]).toEqual([true, true]);
    expect((await app.client(key).auth.me()).data.id).toBe(ann.id);
    expect((await ann.api.apiKeys.get({ params: { key_id: api_key.id } })).data).toEqual({
      ...api_key,
      last_used_at: expect.toSatisfy(() => true) as unknown,
      last_used_ip: expect.toSatisfy(() => true) as unknown,
    });
  });

  test("a key without a name or a choice expires after 90 days", async () => {
    const started = await start();
    await approve(started);
    const { api_key } = await fetchKey(started);
    expect(api_key.name).toBe("omoi");
    const days = (Date.parse(String(api_key.expires_at)) - Date.now()) / 86_400_000;
    expect(Math.round(days)).toBe(90);
  });

  test("the user code is accepted in any case, with or without the hyphen", async () => {
    const started = await start();
    const { user_code } = started;
    for (const typed of [user_code.toLowerCase(), user_code.replace("-", "")]) {
      const { data } = await ann.api.deviceLogin.get(at({ user_code: typed }));
      expect(data.user_code).toBe(user_code);
    }
    for (const wrong of ["BCDF", "AAAA-EEEE", "BCDF-GHJK1", "B".repeat(65)]) {
      await expectProblem(ann.api.deviceLogin.get(at({ user_code: wrong })), 404, "not_found");
    }
  });

  test("codes are stored as HMACs only", async () => {
    const { device_code, user_code } = await start();
    const [row] = await queryAsOwner(
      app,
      "select d::text as text from device_logins d order by created_at desc limit 1",
    );
    const text = String(row?.["text"]);
    const hex = (code: string): string => Buffer.from(code).toString("hex");
    const raw = Buffer.from(device_code, "base64url").toString("hex");
    for (const code of [device_code, raw, hex(device_code), user_code, hex(user_code)]) {
      expect(text).not.toContain(code);
    }
  });

  test("polling is answered as in RFC 8628", async () => {
    const started = await start();
    const poll = async () => {
      const body = { device_code: started.device_code };
      return problemOf(await send(app, "POST", "/api/v1/auth/device/token", { body }));
    };
    const waited = (): Promise<unknown> =>
      queryAsOwner(app, "update device_logins set polled_at = now() - interval '1 hour'");
    const waiting = { code: "authorization_pending", error: "authorization_pending", status: 400 };
    const early = { code: "slow_down", error: "slow_down", status: 400 };
    expect(await poll()).toMatchObject({ ...waiting, interval: 5 });
    expect(await poll()).toMatchObject({ ...early, interval: 10 });
    expect(await poll()).toMatchObject({ ...early, interval: 15 });
    await waited();
    expect(await poll()).toMatchObject({ ...waiting, interval: 15 });
    await ann.api.deviceLogin.deny(at(started));
    const refused = { code: "access_denied", error: "access_denied", status: 400 };
    expect(await poll()).toMatchObject(refused);
    expect(await poll()).toMatchObject(refused);
    const unknown = await expectProblem(fetchKey({ device_code: "unknown" }), 400, "expired_token");
    expect(unknown["error"]).toBe("expired_token");
  });

  test("an approved key is answered at once, and once", async () => {
    const started = await start();
    await expectProblem(fetchKey(started), 400, "authorization_pending");
    await approve(started);
    await fetchKey(started);
    await expectProblem(fetchKey(started), 400, "expired_token");
    await expectProblem(ann.api.deviceLogin.get(at(started)), 404, "not_found");
  });

  test("an expired request is neither answered nor fetched, and is deleted", async () => {
    const [open, approved] = [await start(), await start()];
    await approve(approved);
    await queryAsOwner(app, "update device_logins set expires_at = now() - interval '1 second'");
    await expectProblem(ann.api.deviceLogin.get(at(open)), 404, "not_found");
    await expectProblem(approve(open), 404, "not_found");
    await expectProblem(ann.api.deviceLogin.deny(at(open)), 404, "not_found");
    await expectProblem(fetchKey(open), 400, "expired_token");
    await expectProblem(fetchKey(approved), 400, "expired_token");
    const fresh = await start();
    await app.db.withSystem("delete expired requests in a test", deleteExpiredRequests);
    const left = await queryAsOwner(app, "select from device_logins where expires_at < now()");
    expect(left).toEqual([]);
    expect((await ann.api.deviceLogin.get(at(fresh))).data.status).toBe("pending");
  });

  test("an answered request is visible to the person who answered only", async () => {
    const started = await start();
    await approve(started);
    for (const call of ["get", "approve", "deny"] as const) {
      await expectProblem(ben.api.deviceLogin[call](at(started)), 404, "not_found");
    }
    expect((await ann.api.deviceLogin.get(at(started))).data.status).toBe("approved");
    await expectProblem(approve(started), 409, "device_login_answered");
    await expectProblem(ann.api.deviceLogin.deny(at(started)), 409, "device_login_answered");
    const denied = await start();
    await ben.api.deviceLogin.deny(at(denied));
    expect((await ben.api.deviceLogin.get(at(denied))).data.status).toBe("denied");
    await expectProblem(approve(denied, 1, ben), 409, "device_login_answered");
    await expectProblem(approve(denied), 404, "not_found");
  });

  test("a key or an agent does not see or answer requests, and a visitor neither", async () => {
    const started = await start();
    const org = await makeOrganization(ann);
    const project = await makeProjectWith(ann, org.id, { "a.txt": "a" });
    const agent = await makeAgent(ann, project.id);
    const keys = await Promise.all(
      [{}, { agent_id: agent.id }].map((body) =>
        ann.api.apiKeys.create({ body: { name: "k", ...body } }),
      ),
    );
    for (const call of ["get", "approve", "deny"] as const) {
      for (const { data } of keys) {
        const byKey = app.client(data.key as string).deviceLogin[call](at(started));
        await expectProblem(byKey, 403, "session_required");
      }
      await expectProblem(app.client().deviceLogin[call](at(started)), 401, "unauthenticated");
    }
  });

  test("an approval ends with its session and with the account", async () => {
    const cat = await app.person("cat");
    const [bySession, byAccount] = [await start(), await start()];
    const { data: tokens } = await app.client().auth.login({
      body: { email: cat.email, password: cat.password },
    });
    const elsewhere = app.client(tokens.access_token);
    await elsewhere.deviceLogin.approve(at(bySession));
    await elsewhere.auth.logout();
    const problem = await expectProblem(fetchKey(bySession), 400, "access_denied");
    expect(problem.detail).toContain("session");
    await approve(byAccount, 1, cat);
    expect((await cat.api.apiKeys.list()).data).toEqual([]);
    await queryAsOwner(app, "update users set is_active = false where id = $1", [cat.id]);
    await expectProblem(fetchKey(byAccount), 400, "access_denied");
    const [{ count } = { count: null }] = await queryAsOwner(
      app,
      "select count(*)::int from api_keys where user_id = $1",
      [cat.id],
    );
    expect(count).toBe(0);
  });

  test("invalid fields are named", async () => {
    const post = async (path: string, body: unknown, token?: string) =>
      fieldsOf(problemOf(await send(app, "POST", path, { body, ...(token && { token }) })));
    const path = "/api/v1/auth/device";
    expect(await post(path, { client_name: "" })).toEqual(["body.client_name"]);
    expect(await post(path, { client_name: "x".repeat(101) })).toEqual(["body.client_name"]);
    expect(await post(path, { client_name: "a\0b" })).toEqual(["body.client_name"]);
    expect(await post(path, { name: "x" })).toEqual(["body.name"]);
    expect(await post(`${path}/token`, {})).toEqual(["body.device_code"]);
    const { user_code } = await start();
    for (const expires_in_days of [0, 366, 1.5, "7"]) {
      const fields = await post(`${path}/${user_code}/approve`, { expires_in_days }, ann.token);
      expect(fields).toEqual(["body.expires_in_days"]);
    }
  });

  test("a hostile name is kept as data", async () => {
    const name = "\u202egnp.exe\u0007 <script>\u200b".padEnd(100, "W");
    const started = await start(name);
    expect((await ann.api.deviceLogin.get(at(started))).data.client_name).toBe(name);
    await approve(started);
    expect((await fetchKey(started)).api_key.name).toBe(`omoi on ${name}`);
  });
});

describe("limits of device logins", () => {
  let app: TestApp;
  let ann: TestPerson;
  beforeAll(async () => {
    app = await startTestApp({ OMOI_TRUSTED_PROXIES: "127.0.0.1", OMOI_MAX_KEY_DAYS: "30" });
    ann = await app.person("ann");
  });
  beforeEach(() => queryAsOwner(app, "delete from rate_limits"));
  afterAll(() => app.close());

  const post = (path: string, from: string, token?: string) =>
    send(app, "POST", `/api/v1/auth/device${path}`, {
      headers: { "x-forwarded-for": from },
      body: {},
      ...(token === undefined ? {} : { token }),
    });

  test("a network opens thirty requests in 15 minutes", async () => {
    const statuses = [];
    for (let host = 1; host <= 31; host += 1) {
      statuses.push((await post("", `2001:db8:5:5::${host.toString(16)}`)).status);
    }
    // A window may end meanwhile.
    expect(statuses.filter((status) => status === 429).length).toBeLessThanOrEqual(1);
    expect(statuses.slice(0, 30)).toEqual(Array.from({ length: 30 }, () => 200));
    expect((await post("", "2001:db8:5:6::1")).status).toBe(200);
  });

  test("a person has twenty wrong codes from anywhere, and right ones do not count", async () => {
    const { data } = await app.client().deviceLogin.start({ body: {} });
    const read = (code: string, from: number) =>
      send(app, "GET", `/api/v1/auth/device/${code}`, {
        token: ann.token,
        headers: { "x-forwarded-for": `198.51.100.${from}` },
      });
    for (let count = 0; count < 25; count += 1) {
      expect((await read(data.user_code, count)).status).toBe(200);
    }
    const params = { user_code: data.user_code };
    await ann.api.deviceLogin.deny({ params });
    for (let count = 0; count < 25; count += 1) {
      await expectProblem(ann.api.deviceLogin.approve({ params }), 409, "device_login_answered");
    }
    const statuses = [];
    for (let count = 0; count < 45; count += 1) {
      statuses.push((await read("BBBB-BBBB", count)).status);
    }
    expect(statuses.filter((status) => status === 404).length).toBeLessThanOrEqual(40);
    expect(statuses.slice(0, 20)).toEqual(Array.from({ length: 20 }, () => 404));
    expect(statuses).toContain(429);
  });

  test("the setting of the longest lifetime holds for the choice and the default", async () => {
    const { data } = await app.client().deviceLogin.start({ body: {} });
    const params = { user_code: data.user_code };
    const tooLong = ann.api.deviceLogin.approve({ params, body: { expires_in_days: 31 } });
    const problem = await expectProblem(tooLong, 422, "validation_failed");
    expect(fieldsOf(problem)).toEqual(["body.expires_in_days"]);
    await ann.api.deviceLogin.approve({ params });
    const { device_code } = data;
    const { data: made } = await app.client().deviceLogin.token({ body: { device_code } });
    const days = (Date.parse(String(made.api_key.expires_at)) - Date.now()) / 86_400_000;
    expect(Math.round(days)).toBe(30);
  });
});
