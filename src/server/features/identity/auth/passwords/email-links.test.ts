import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { expectProblem, startTestApp, type TestApp } from "#test/support/server/app.js";
import { queryAsOwner } from "#test/support/database/queries.js";
import { waitForMailQueue, mailsTo, mailedToken } from "#test/support/mail/outbox.js";
import { fieldsOf, problemOf, send, withoutRequestId } from "#test/support/http/raw-request.js";
import { deleteExpiredLinks } from "./email-links.js";

describe("email links", () => {
  let app: TestApp;
  beforeAll(async () => {
    app = await startTestApp();
  });
  afterAll(() => app.close());
  const verify = (token: string, by = app.client()) => by.auth.verifyEmail({ body: { token } });
  const resend = (email: string) => app.client().auth.resendVerification({ body: { email } });
  const forgot = (email: string) => app.client().auth.forgotPassword({ body: { email } });
  const isVerified = async (person: Awaited<ReturnType<TestApp["person"]>>) =>
    (await person.api.auth.me()).data.is_verified;

  test("a registration sends one, which verifies the address once", async () => {
    const person = await app.person();
    const token = await mailedToken(app, person.email, "verify-email");
    expect(Buffer.from(token, "base64url")).toHaveLength(32);
    expect(await isVerified(person)).toBe(false);
    const outcomes = await Promise.allSettled(
      Array.from({ length: 5 }, () => verify(token, person.api)),
    );
    expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    expect(await isVerified(person)).toBe(true);
    const { detail } = await expectProblem(verify(token), 400, "invalid_link");
    expect(detail).toContain("request a new link");
  });

  test("are stored as hashes that are useless without the secret", async () => {
    const person = await app.person();
    const token = await mailedToken(app, person.email, "verify-email");
    const [row] = await queryAsOwner<{ text: string }>(
      app,
      "select string_agg(to_jsonb(t)::text, ' ') as text from email_tokens t",
    );
    expect(row?.text).toContain(person.email);
    expect(row?.text).not.toContain(token);
    expect(row?.text).not.toContain(Buffer.from(token, "base64url").toString("hex"));
  });

  test("a new link replaces the old one; verified users get none", async () => {
    const person = await app.person();
    const old = await mailedToken(app, person.email, "verify-email");
    expect((await resend(person.email.toUpperCase())).status).toBe(204);
    const fresh = await mailedToken(app, person.email, "verify-email", 2);
    await expectProblem(verify(old), 400, "invalid_link");
    expect((await verify(fresh)).status).toBe(204);
    await resend(person.email);
    await waitForMailQueue(app);
    expect(await mailsTo(app, person.email)).toHaveLength(2);
  });

  test("expire and are then deleted", async () => {
    const person = await app.person();
    const token = await mailedToken(app, person.email, "verify-email");
    const [row] = await queryAsOwner<{ hours: number }>(
      app,
      "select extract(epoch from expires_at - created_at)::float / 3600 as hours from email_tokens where email = $1",
      [person.email],
    );
    expect(row?.hours).toBe(24);
    await queryAsOwner(app, "update email_tokens set expires_at = now() where email = $1", [
      person.email,
    ]);
    await expectProblem(verify(token), 400, "invalid_link");
    expect(await isVerified(person)).toBe(false);
    const other = await app.person();
    const alive = await mailedToken(app, other.email, "verify-email");
    await deleteExpiredLinks(app.db);
    const left = await queryAsOwner<{ email: string }>(app, "select email from email_tokens");
    expect(left.map(({ email }) => email)).not.toContain(person.email);
    expect((await verify(alive)).status).toBe(204);
  });

  test("verify the address they were sent to and have one purpose", async () => {
    const person = await app.person();
    const token = await mailedToken(app, person.email, "verify-email");
    const body = { token, new_password: "another staple horse" };
    await expectProblem(app.client().auth.resetPassword({ body }), 400, "invalid_link");
    await queryAsOwner(app, "update users set email = 'moved@example.com' where id = $1", [
      person.id,
    ]);
    await expectProblem(verify(token), 400, "invalid_link");
  });

  test.each(["", "x", "a\u0000b", "x".repeat(257)])("%j is not a valid token", async (token) => {
    const answer = await send(app, "POST", "/api/v1/auth/verify-email", { body: { token } });
    expect([400, 422]).toContain(answer.status);
    expect(["invalid_link", "validation_failed"]).toContain(problemOf(answer).code);
  });

  test.each(["forgot-password", "resend-verification"])(
    "%s answers every address alike",
    async (call) => {
      const person = await app.person();
      const ask = (email: string) => send(app, "POST", `/api/v1/auth/${call}`, { body: { email } });
      const [known, unknown] = [await ask(person.email), await ask("nobody@example.com")];
      expect([known.status, known.text]).toEqual([204, ""]);
      expect([unknown.status, unknown.text]).toEqual([204, ""]);
      const malformed = await ask("nobody");
      expect(fieldsOf(problemOf(malformed))).toEqual(["body.email"]);
      await waitForMailQueue(app);
      expect(await mailsTo(app, "nobody@example.com")).toEqual([]);
    },
  );

  test("are limited to five in 15 minutes, with or without an account", async () => {
    const person = await app.person();
    await mailedToken(app, person.email, "verify-email");
    const refusals = [];
    for (const email of [person.email, "no-one@example.com"]) {
      for (let asked = 0; asked < 5; asked += 1) expect((await forgot(email)).status).toBe(204);
      const answer = await send(app, "POST", "/api/v1/auth/forgot-password", { body: { email } });
      expect([answer.status, problemOf(answer).code]).toEqual([429, "rate_limited"]);
      expect(Number(answer.headers.get("retry-after"))).toBeGreaterThan(0);
      expect(answer.headers.get("ratelimit-policy")).toBe('"default";q=5;w=900');
      refusals.push(withoutRequestId(answer).replaceAll(/\d+ minutes/g, ""));
    }
    expect(refusals[0]).toBe(refusals[1]);
    // The other purpose has its own limit.
    expect((await resend(person.email)).status).toBe(204);
  });

  test("do not flood a mailbox, and the last email contains a working link", async () => {
    const person = await app.person();
    // From different addresses.
    const tries = Array.from({ length: 8 }, (_, at) => at);
    for (const _ of tries) {
      await queryAsOwner(app, "delete from rate_limits where bucket like 'reset link%'");
      await forgot(person.email);
      await waitForMailQueue(app);
    }
    const token = await mailedToken(app, person.email, "reset-password", 5);
    const body = { token, new_password: "another staple horse" };
    expect((await app.client().auth.resetPassword({ body })).status).toBe(204);
  });
});

test("are limited to thirty an hour per address over all accounts", async () => {
  const app = await startTestApp();
  const ask = (at: number) =>
    send(app, "POST", "/api/v1/auth/forgot-password", { body: { email: `p${at}@example.com` } });
  const answers = await Promise.all(Array.from({ length: 31 }, (_, at) => ask(at)));
  expect(answers.filter(({ status }) => status === 429)).toHaveLength(1);
  expect(answers.filter(({ status }) => status === 204)).toHaveLength(30);
  await app.close();
});

test("thirty invalid links in 15 minutes are accepted from one address", async () => {
  const app = await startTestApp();
  const person = await app.person();
  const token = await mailedToken(app, person.email, "verify-email");
  const made = () => send(app, "POST", "/api/v1/auth/verify-email", { body: { token: "made up" } });
  const answers = await Promise.all(Array.from({ length: 31 }, made));
  expect(answers.filter(({ status }) => status === 429)).toHaveLength(1);
  const real = await send(app, "POST", "/api/v1/auth/verify-email", { body: { token } });
  expect(problemOf(real).code).toBe("rate_limited");
  await app.close();
});
