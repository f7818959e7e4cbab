import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  expectProblem,
  startTestApp,
  type TestApp,
  type TestPerson,
} from "#test/support/server/app.js";
import { queryAsOwner } from "#test/support/database/queries.js";
import { waitForMailQueue, mailsTo, mailedToken } from "#test/support/mail/outbox.js";
import { fieldsOf } from "#test/support/http/raw-request.js";

const newPassword = "another staple horse";

describe("passwords", () => {
  let app: TestApp;
  beforeAll(async () => {
    app = await startTestApp();
  });
  afterAll(() => app.close());
  const login = (email: string, password: string) =>
    app.client().auth.login({ body: { email, password } });
  const reset = (token: string, new_password = newPassword) =>
    app.client().auth.resetPassword({ body: { token, new_password } });
  const change = (person: TestPerson, current_password: string, new_password = newPassword) =>
    person.api.auth.changePassword({ body: { current_password, new_password } });
  const askForReset = async (person: TestPerson): Promise<string> => {
    await app.client().auth.forgotPassword({ body: { email: person.email } });
    return mailedToken(app, person.email, "reset-password");
  };
  const subjects = async ({ email }: TestPerson): Promise<string[]> => {
    await waitForMailQueue(app);
    return (await mailsTo(app, email)).map(({ subject }) => subject);
  };

  test("a reset by email sets a new password, ends every session, verifies the address and notifies", async () => {
    const [person, stranger] = [await app.person(), await app.person()];
    const sibling = await app.sibling();
    const { data: other } = await login(person.email, person.password);
    expect((await sibling.client(other.access_token).auth.me()).status).toBe(200);
    const token = await askForReset(person);
    expect((await reset(token)).status).toBe(204);
    for (const token of [person.token, other.access_token]) {
      await expectProblem(sibling.client(token).auth.me(), 401, "invalid_token");
    }
    const body = { refresh_token: other.refresh_token };
    await expectProblem(sibling.client().auth.refresh({ body }), 401, "invalid_token");
    await sibling.close();
    await expectProblem(login(person.email, person.password), 401, "invalid_credentials");
    const { data } = await login(person.email, newPassword);
    expect((await app.client(data.access_token).auth.me()).data.is_verified).toBe(true);
    expect((await stranger.api.auth.me()).status).toBe(200);
    expect(await subjects(person)).toContain("Your password was changed (Omoi)");
    await expectProblem(reset(token), 400, "invalid_link");
  });

  test("a reset by email sets the first password of a user with other sign-in methods", async () => {
    const person = await app.person();
    await queryAsOwner(app, "delete from accounts where user_id = $1", [person.id]);
    await expectProblem(login(person.email, person.password), 401, "invalid_credentials");
    expect((await reset(await askForReset(person))).status).toBe(204);
    expect((await login(person.email, newPassword)).status).toBe(200);
  });

  test("one of many concurrent uses of a link sets the password", async () => {
    const person = await app.person();
    const token = await askForReset(person);
    const passwords = Array.from({ length: 5 }, (_, at) => `staple horse number ${at}`);
    const outcomes = await Promise.allSettled(passwords.map((password) => reset(token, password)));
    const won = outcomes.flatMap(({ status }, at) => (status === "fulfilled" ? [at] : []));
    expect(won).toHaveLength(1);
    expect((await login(person.email, passwords[won[0] ?? -1] ?? "")).status).toBe(200);
    expect((await subjects(person)).filter((it) => it.includes("was changed"))).toHaveLength(1);
  });

  test("a login in progress during a password reset leaves no session", async () => {
    const person = await app.person();
    const token = await askForReset(person);
    const [, ...logins] = await Promise.allSettled([
      reset(token),
      ...Array.from({ length: 8 }, () => login(person.email, person.password)),
    ]);
    for (const outcome of logins) {
      if (outcome.status === "rejected") continue;
      const { access_token } = outcome.value.data as { access_token: string };
      await expectProblem(app.client(access_token).auth.me(), 401, "invalid_token");
    }
    const { data } = await login(person.email, newPassword);
    expect((await app.client(data.access_token).auth.sessions()).data).toHaveLength(1);
  });

  test("a reset link expires after an hour; a rejected password does not use it up", async () => {
    const person = await app.person();
    const token = await askForReset(person);
    const [row] = await queryAsOwner<{ minutes: number }>(
      app,
      "select extract(epoch from expires_at - created_at)::float / 60 as minutes from email_tokens where email = $1 and purpose = 'reset'",
      [person.email],
    );
    expect(row?.minutes).toBe(60);
    for (const weak of ["short", "password123", "Trustno1", person.email]) {
      const problem = await expectProblem(reset(token, weak), 422, "validation_failed");
      expect(fieldsOf(problem)).toEqual(["body.new_password"]);
    }
    expect((await reset(token)).status).toBe(204);
    const again = await app.person();
    const late = await askForReset(again);
    await queryAsOwner(app, "update email_tokens set expires_at = now() where email = $1", [
      again.email,
    ]);
    await expectProblem(reset(late), 400, "invalid_link");
    expect((await login(again.email, again.password)).status).toBe(200);
  });

  test("a change keeps this session and ends all others and pending reset links", async () => {
    const person = await app.person();
    const sibling = await app.sibling();
    const { data: other } = await login(person.email, person.password);
    const token = await askForReset(person);
    expect((await change(person, person.password)).status).toBe(204);
    await expectProblem(sibling.client(other.access_token).auth.me(), 401, "invalid_token");
    expect((await sibling.client(person.token).auth.me()).status).toBe(200);
    await sibling.close();
    await expectProblem(reset(token, "a third staple horse"), 400, "invalid_link");
    await expectProblem(login(person.email, person.password), 401, "invalid_credentials");
    expect((await login(person.email, newPassword)).status).toBe(200);
    expect(await subjects(person)).toContain("Your password was changed (Omoi)");
  });

  test("a change names the wrong one of the two passwords", async () => {
    const person = await app.person();
    for (const [current, next, field] of [
      ["not the password", newPassword, "body.current_password"],
      [person.password, "short", "body.new_password"],
      [person.password, "iloveyou1", "body.new_password"],
      [person.password, person.email.toUpperCase(), "body.new_password"],
      [person.password, person.email.split("@")[0] as string, "body.new_password"],
      [person.password, person.password, "body.new_password"],
    ] as const) {
      const problem = await expectProblem(change(person, current, next), 422, "validation_failed");
      expect(fieldsOf(problem)).toEqual([field]);
    }
    expect((await login(person.email, person.password)).status).toBe(200);
  });

  test("one of several concurrent changes succeeds", async () => {
    const person = await app.person();
    const passwords = Array.from({ length: 4 }, (_, at) => `staple horse number ${at}`);
    const outcomes = await Promise.allSettled(
      passwords.map((password) => change(person, person.password, password)),
    );
    const won = outcomes.flatMap(({ status }, at) => (status === "fulfilled" ? [at] : []));
    expect(won).toHaveLength(1);
    expect((await login(person.email, passwords[won[0] ?? -1] ?? "")).status).toBe(200);
  });

  test("a wrong current password counts as a failed login", async () => {
    const person = await app.person();
    for (let tries = 0; tries < 10; tries += 1) {
      await expectProblem(change(person, "not the password"), 422, "validation_failed");
    }
    await expectProblem(change(person, person.password), 429, "rate_limited");
    await expectProblem(login(person.email, person.password), 429, "rate_limited");
  });

  test("requires a session", async () => {
    const person = await app.person();
    const { data: key } = await person.api.apiKeys.create({ body: { name: "all" } });
    const body = { current_password: person.password, new_password: newPassword };
    const withKey = app.client(key.key as string).auth.changePassword({ body });
    await expectProblem(withKey, 403, "session_required");
    await expectProblem(app.client().auth.changePassword({ body }), 401, "unauthenticated");
  });
});

describe("failed logins across accounts", () => {
  test("are limited by address, except for users who signed in from there", async () => {
    const app = await startTestApp();
    const [regular, newcomer] = [await app.person(), "newcomer@example.com"];
    await app.client().auth.register({ body: { email: newcomer, password: newPassword } });
    const login = (email: string, password: string) =>
      app.client().auth.login({ body: { email, password } });
    for (let batch = 0; batch < 10; batch += 1) {
      await Promise.all(
        Array.from({ length: 10 }, (_, at) =>
          expectProblem(
            login(`p${batch}-${at}@example.com`, "spring 2026"),
            401,
            "invalid_credentials",
          ),
        ),
      );
    }
    await expectProblem(login("another@example.com", "spring 2026"), 429, "rate_limited");
    await expectProblem(login(newcomer, newPassword), 429, "rate_limited");
    expect((await login(regular.email, regular.password)).status).toBe(200);
    // Other addresses are not limited.
    await queryAsOwner(
      app,
      "update rate_limits set bucket = 'logins 10.0.0.1' where bucket like 'logins %'",
    );
    expect((await login(newcomer, newPassword)).status).toBe(200);
    await app.close();
  });
});
