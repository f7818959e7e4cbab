import { sql } from "drizzle-orm";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import {
  expectProblem,
  startTestApp,
  type TestApp,
  type TestPerson,
} from "#test/support/server/app.js";
import { totpCode } from "#test/support/auth/totp-code.js";
import { queryAsOwner } from "#test/support/database/queries.js";
import { mailedToken } from "#test/support/mail/outbox.js";
import { fieldsOf, problemOf, send } from "#test/support/http/raw-request.js";
import { encrypt } from "../../../../encrypt.js";

describe("the second factor", () => {
  let app: TestApp;
  beforeAll(async () => {
    app = await startTestApp();
  });
  afterAll(() => app.close());
  afterEach(() => {
    vi.useRealTimers();
  });

  /** Creates a user with an authenticator app; returns its secret and codes. */
  const withTotp = async (): Promise<TestPerson & { secret: string; codes: string[] }> => {
    const person = await app.person();
    const { data } = await person.api.secondFactor.startTotp({ body: {} });
    const secret = data.secret as string;
    const body = { code: totpCode(secret) };
    const { data: confirmed } = await person.api.secondFactor.confirmTotp({ body });
    return { ...person, secret, codes: confirmed.recovery_codes as string[] };
  };
  const login = ({ email, password }: TestPerson) =>
    app.client().auth.login({ body: { email, password } });
  const challengeFor = async (person: TestPerson): Promise<string> =>
    (await expectProblem(login(person), 401, "second_factor_required"))["challenge"] as string;
  const second = (challenge: string, code: string) =>
    app.client().secondFactor.login({ body: { challenge, code } });
  const makeStale = (userId: string) =>
    queryAsOwner(
      app,
      "update sessions set created_at = now() - interval '11 minutes' where user_id = $1",
      [userId],
    );

  test("is off at first and confirmed by a code; responses are not cacheable", async () => {
    const { api, email } = await app.person();
    expect((await api.secondFactor.get()).data).toEqual({
      totp: false,
      totp_since: null,
      recovery_codes_left: 0,
      has_password: true,
    });
    const started = await api.secondFactor.startTotp();
    expect([started.status, started.headers.get("cache-control")]).toEqual([201, "no-store"]);
    const { secret, uri } = started.data as { secret: string; uri: string };
    expect(decodeURIComponent(uri)).toContain(email);
    expect(uri).toContain(`secret=${secret}`);
    // Nothing changes until it is confirmed.
    expect((await api.secondFactor.get()).data.totp).toBe(false);

    const wrong = api.secondFactor.confirmTotp({ body: { code: "000000" } });
    expect(fieldsOf(await expectProblem(wrong, 422, "validation_failed"))).toEqual(["body.code"]);
    const confirmed = await api.secondFactor.confirmTotp({ body: { code: totpCode(secret) } });
    expect(confirmed.headers.get("cache-control")).toBe("no-store");
    expect(confirmed.data.recovery_codes).toHaveLength(10);
    const { data } = await api.secondFactor.get();
    expect(data).toMatchObject({ totp: true, recovery_codes_left: 10 });
    expect(Date.parse(data.totp_since as string)).toBeLessThanOrEqual(Date.now());

    await expectProblem(api.secondFactor.startTotp(), 409, "second_factor_on");
    const again = api.secondFactor.confirmTotp({ body: { code: totpCode(secret, 1) } });
    await expectProblem(again, 409, "second_factor_off");
  });

  test("rejects digits of another script", async () => {
    const { api } = await app.person();
    await api.secondFactor.startTotp();
    const confirmed = api.secondFactor.confirmTotp({ body: { code: "١٢٣٤٥٦" } });
    expect(fieldsOf(await expectProblem(confirmed, 422, "validation_failed"))).toEqual([
      "body.code",
    ]);
  });

  test("reports an app that was set up under another secret and rejects the sign-in", async () => {
    const person = await withTotp();
    const foreign = encrypt(
      "another installation's secret",
      "totp secret",
      person.id,
      Buffer.alloc(20),
    );
    await queryAsOwner(app, "update totp_secrets set sealed_secret = $2 where user_id = $1", [
      person.id,
      foreign,
    ]);
    const refused = second(await challengeFor(person), totpCode(person.secret, 1));
    const { detail } = await expectProblem(refused, 409, "second_factor_unreadable");
    expect(detail).toContain("OMOI_SECRET");
    const removed = person.api.secondFactor.removeTotp({
      body: { code: totpCode(person.secret, 1) },
    });
    await expectProblem(removed, 409, "second_factor_unreadable");
  });

  test("restarting the setup discards the previous secret", async () => {
    const { api } = await app.person();
    const { data: first } = await api.secondFactor.startTotp();
    const { data: later } = await api.secondFactor.startTotp();
    const confirm = (code: string) => api.secondFactor.confirmTotp({ body: { code } });
    await expectProblem(confirm(totpCode(first.secret as string)), 422, "validation_failed");
    expect((await confirm(totpCode(later.secret as string))).status).toBe(200);
  });

  test("is required at login, which a code completes", async () => {
    const person = await withTotp();
    const body = { email: person.email, password: person.password };
    const answer = await send(app, "POST", "/api/v1/auth/login", { body });
    const problem = problemOf(answer);
    expect([answer.status, problem.code]).toEqual([401, "second_factor_required"]);
    expect(problem["methods"]).toEqual(["totp", "recovery_code"]);
    expect(answer.headers.get("www-authenticate")).toBe("Bearer");
    expect(answer.headers.get("set-cookie")).toBeNull();
    const challenge = problem["challenge"] as string;

    await expectProblem(second(challenge, "000000"), 401, "invalid_code");
    const { data, headers } = await second(challenge, totpCode(person.secret, 1));
    expect(data).toMatchObject({ token_type: "bearer", expires_in: 900 });
    expect(headers.get("set-cookie")).toMatch(/^omoi_session=ocs_.*HttpOnly/);
    expect((await app.client(data.access_token).auth.me()).data.id).toBe(person.id);
    const refreshed = await app
      .client()
      .auth.refresh({ body: { refresh_token: data.refresh_token } });
    expect(refreshed.status).toBe(200);
  });

  test("a wrong password does not reveal it", async () => {
    const person = await withTotp();
    const body = { email: person.email, password: "not the password" };
    const problem = await expectProblem(
      app.client().auth.login({ body }),
      401,
      "invalid_credentials",
    );
    expect(Object.keys(problem)).not.toContain("challenge");
  });

  test("a challenge works once, within five minutes, for its user only", async () => {
    const [person, other] = [await withTotp(), await withTotp()];
    const challenge = await challengeFor(person);
    await expectProblem(second(challenge, other.codes[0] as string), 401, "invalid_code");
    await expectProblem(second(challenge, totpCode(other.secret, 1)), 401, "invalid_code");
    expect((await second(challenge, person.codes[0] as string)).status).toBe(200);
    await expectProblem(second(challenge, person.codes[1] as string), 401, "challenge_expired");
    for (const forged of ["", "x", `${challenge.slice(0, -2)}AA`, person.token]) {
      await expectProblem(second(forged, person.codes[1] as string), 401, "challenge_expired");
    }
    const late = await challengeFor(person);
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 5 * 60_000 + 1000 });
    await expectProblem(second(late, person.codes[1] as string), 401, "challenge_expired");
  });

  test("accepts the current, previous and next code, each once", async () => {
    // All codes belong to one period of 30 s.
    vi.useFakeTimers({ toFake: ["Date"] });
    const person = await withTotp();
    const challenge = await challengeFor(person);
    // The code that confirmed the setup is used up.
    await expectProblem(second(challenge, totpCode(person.secret)), 401, "invalid_code");
    for (const far of [-3, 3]) {
      await expectProblem(second(challenge, totpCode(person.secret, far)), 401, "invalid_code");
    }
    const next = totpCode(person.secret, 1);
    expect((await second(challenge, `${next.slice(0, 3)} ${next.slice(3)}`)).status).toBe(200);
    await expectProblem(second(await challengeFor(person), next), 401, "invalid_code");
    // An older one is rejected afterwards.
    const before = totpCode(person.secret, -1);
    await expectProblem(second(await challengeFor(person), before), 401, "invalid_code");
    await queryAsOwner(app, "update totp_secrets set last_step = 0 where user_id = $1", [
      person.id,
    ]);
    expect((await second(await challengeFor(person), before)).status).toBe(200);
  });

  test("of many concurrent answers to one challenge one succeeds", async () => {
    const person = await withTotp();
    const challenge = await challengeFor(person);
    const outcomes = await Promise.allSettled(
      person.codes.slice(0, 6).map((code) => second(challenge, code)),
    );
    expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    // The rejected transactions released their codes.
    expect((await person.api.secondFactor.get()).data.recovery_codes_left).toBe(9);
  });

  test("a recovery code works once, as typed by people; new codes replace all", async () => {
    const person = await withTotp();
    const [first = "", next = ""] = person.codes;
    const spelled = first.toUpperCase().replace("-", " ");
    expect((await second(await challengeFor(person), spelled)).status).toBe(200);
    await expectProblem(second(await challengeFor(person), first), 401, "invalid_code");
    const { data, headers } = await person.api.secondFactor.renewRecoveryCodes();
    expect(headers.get("cache-control")).toBe("no-store");
    expect(data.recovery_codes).toHaveLength(10);
    await expectProblem(second(await challengeFor(person), next), 401, "invalid_code");
    const fresh = data.recovery_codes?.[0] as string;
    expect((await second(await challengeFor(person), fresh)).status).toBe(200);
  });

  test("without recovery codes a login offers the app only", async () => {
    const person = await withTotp();
    await queryAsOwner(app, "update recovery_codes set used_at = now() where user_id = $1", [
      person.id,
    ]);
    const problem = await expectProblem(login(person), 401, "second_factor_required");
    expect(problem["methods"]).toEqual(["totp"]);
  });

  test("ten wrong codes, also concurrent, block codes of that kind only", async () => {
    const person = await withTotp();
    const challenge = await challengeFor(person);
    const outcomes = await Promise.all(
      Array.from({ length: 15 }, async (_, number) => {
        const body = { challenge, code: String(number).padStart(6, "0") };
        return (await send(app, "POST", "/api/v1/auth/login/second-factor", { body })).status;
      }),
    );
    expect(outcomes.filter((status) => status === 401)).toHaveLength(10);
    expect(outcomes.filter((status) => status === 429)).toHaveLength(5);
    const problem = await expectProblem(
      second(challenge, totpCode(person.secret, 1)),
      429,
      "rate_limited",
    );
    expect(problem.detail).toMatch(/try again in \d+ minutes/);
    // Recovery codes and existing sessions still work.
    expect((await second(challenge, person.codes[0] as string)).status).toBe(200);
    expect((await person.api.auth.me()).status).toBe(200);
    const body = { password: person.password };
    expect((await person.api.secondFactor.removeTotp({ body })).status).toBe(204);
    expect((await login(person)).status).toBe(200);
  });

  test("is removed by a code, a recovery code or the password only", async () => {
    const person = await withTotp();
    const { removeTotp } = person.api.secondFactor;
    for (const [body, field] of [
      [{}, "body.code"],
      [{ code: "000000" }, "body.code"],
      [{ code: "no-such-code" }, "body.code"],
      [{ password: "not the password" }, "body.password"],
      [{ code: "000000", password: person.password }, "body.code"],
    ] as const) {
      const problem = await expectProblem(removeTotp({ body }), 422, "validation_failed");
      expect(fieldsOf(problem)).toEqual([field]);
    }
    expect((await removeTotp({ body: { code: totpCode(person.secret, 1) } })).status).toBe(204);
    expect((await person.api.secondFactor.get()).data).toMatchObject({
      totp: false,
      recovery_codes_left: 0,
    });
    expect((await login(person)).status).toBe(200);
    const body = { password: person.password };
    await expectProblem(removeTotp({ body }), 409, "second_factor_off");
    await expectProblem(person.api.secondFactor.renewRecoveryCodes(), 409, "second_factor_off");
    const other = await withTotp();
    const code = other.codes[0] as string;
    expect((await other.api.secondFactor.removeTotp({ body: { code } })).status).toBe(204);
  });

  test("requires the password ten minutes after signing in", async () => {
    const person = await withTotp();
    const fresh = await app.person();
    await makeStale(person.id);
    await makeStale(fresh.id);
    const { renewRecoveryCodes } = person.api.secondFactor;
    const { startTotp } = fresh.api.secondFactor;
    await expectProblem(startTotp(), 403, "reauthentication_required");
    await expectProblem(renewRecoveryCodes(), 403, "reauthentication_required");
    const wrong = startTotp({ body: { password: "not the password" } });
    expect(fieldsOf(await expectProblem(wrong, 422, "validation_failed"))).toEqual([
      "body.password",
    ]);
    expect((await startTotp({ body: { password: fresh.password } })).status).toBe(201);
    expect((await renewRecoveryCodes({ body: { password: person.password } })).status).toBe(200);
  });

  test("ten wrong passwords block the confirmation, not the user", async () => {
    const { api, password } = await app.person();
    const start = (given: string) => api.secondFactor.startTotp({ body: { password: given } });
    for (let tries = 0; tries < 10; tries += 1) {
      await expectProblem(start("not the password"), 422, "validation_failed");
    }
    await expectProblem(start(password), 429, "rate_limited");
    expect((await api.auth.me()).status).toBe(200);
  });

  test("an API key reads the state but cannot change it", async () => {
    const person = await withTotp();
    const { data } = await person.api.apiKeys.create({ body: { name: "all" } });
    const { secondFactor } = app.client(data.key as string);
    expect((await secondFactor.get()).data.totp).toBe(true);
    await expectProblem(secondFactor.startTotp(), 403, "session_required");
    const body = { code: totpCode(person.secret, 1) };
    await expectProblem(secondFactor.confirmTotp({ body }), 403, "session_required");
    await expectProblem(secondFactor.removeTotp({ body }), 403, "session_required");
    await expectProblem(secondFactor.renewRecoveryCodes(), 403, "session_required");
  });

  test("nothing is stored in plain text, and a replay does not reveal it", async () => {
    const { api, id } = await app.person();
    const replayable = { headers: { "idempotency-key": "again" } };
    const { data: started } = await api.secondFactor.startTotp({ body: {} }, replayable);
    const { data: replayed } = await api.secondFactor.startTotp({ body: {} }, replayable);
    expect(replayed).toEqual({ secret: null, uri: null });
    const secret = started.secret as string;
    const confirming = { headers: { "idempotency-key": "confirm" } };
    const body = { code: totpCode(secret) };
    const { data: confirmed } = await api.secondFactor.confirmTotp({ body }, confirming);
    const again = await api.secondFactor.confirmTotp({ body }, confirming);
    expect(again.data).toEqual({ recovery_codes: null });

    const [kept] = await queryAsOwner<{ text: string }>(
      app,
      `select (select string_agg(t::text, '') from totp_secrets t where user_id = $1)
         || (select string_agg(r::text, '') from recovery_codes r where user_id = $1)
         || (select string_agg(i::text, '') from idempotency_keys i where user_id = $1) as text`,
      [id],
    );
    const text = kept?.text ?? "";
    expect(text).toContain(id);
    for (const credential of [secret, ...(confirmed.recovery_codes ?? [])]) {
      expect(text).not.toContain(credential);
      expect(text).not.toContain(Buffer.from(credential).toString("hex"));
    }
  });

  test("a password change invalidates a login in progress", async () => {
    const person = await withTotp();
    const challenge = await challengeFor(person);
    await queryAsOwner(
      app,
      `update accounts set password_hash = (select password_hash from accounts
         where provider_id = 'password' and user_id <> $1 limit 1)
       where user_id = $1`,
      [person.id],
    );
    await expectProblem(second(challenge, person.codes[0] as string), 401, "challenge_expired");
    expect((await person.api.secondFactor.get()).data.recovery_codes_left).toBe(10);
    await expectProblem(login(person), 401, "second_factor_required");
  });

  test("stays on after a password reset or change", async () => {
    const person = await withTotp();
    await queryAsOwner(app, "update users set is_verified = true where id = $1", [person.id]);
    await app.client().auth.forgotPassword({ body: { email: person.email } });
    const token = await mailedToken(app, person.email, "reset-password");
    const new_password = "another staple horse";
    const begun = await challengeFor(person);
    await app.client().auth.resetPassword({ body: { token, new_password } });
    await expectProblem(second(begun, person.codes[0] as string), 401, "challenge_expired");
    const changed = { ...person, password: new_password };
    const challenge = await challengeFor(changed);
    const { data } = await second(challenge, person.codes[0] as string);
    const body = { current_password: new_password, new_password: person.password };
    await app.client(data.access_token).auth.changePassword({ body });
    await challengeFor(person);
  });

  test("is invisible to organizations' transactions", async () => {
    const person = await withTotp();
    const { data: organization } = await person.api.organizations.create({ body: { name: "A" } });
    for (const table of ["totp_secrets", "recovery_codes", "passkeys", "used_challenges"]) {
      const { rowCount } = await app.db.tenant(organization.id, (tx) =>
        tx.execute(sql`delete from ${sql.identifier(table)}`),
      );
      expect([table, rowCount]).toEqual([table, 0]);
    }
    expect((await person.api.secondFactor.get()).data.recovery_codes_left).toBe(10);
  });

  test("a deactivated user cannot complete a login", async () => {
    const person = await withTotp();
    const challenge = await challengeFor(person);
    await queryAsOwner(app, "update users set is_active = false where id = $1", [person.id]);
    await expectProblem(second(challenge, person.codes[0] as string), 401, "challenge_expired");
  });
});
