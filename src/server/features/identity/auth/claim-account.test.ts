import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  expectProblem,
  startTestApp,
  type TestApp,
  type TestPerson,
} from "#test/support/server/app.js";
import { totpCode } from "#test/support/auth/totp-code.js";
import { makeOrganization } from "#test/support/fixtures/factories.js";
import { queryAsOwner } from "#test/support/database/queries.js";
import { waitForMailQueue, mailsTo, mailedToken } from "#test/support/mail/outbox.js";
import { send } from "#test/support/http/raw-request.js";

const newPassword = "another staple horse";

/** An attacker registers another person's address and prepares ways to return. */
describe("an account registered by another person", () => {
  let app: TestApp;
  let sibling: TestApp;
  beforeAll(async () => {
    app = await startTestApp();
    sibling = await app.sibling();
  });
  afterAll(async () => {
    await sibling.close();
    await app.close();
  });

  const makeKey = async ({ api }: Pick<TestPerson, "api">): Promise<string> =>
    (await api.apiKeys.create({ body: { name: "back door" } })).data.key as string;
  const addTotp = async ({ api }: Pick<TestPerson, "api">): Promise<void> => {
    const { data } = await api.secondFactor.startTotp();
    const code = totpCode(data.secret as string);
    await api.secondFactor.confirmTotp({ body: { code } });
  };
  /** Inserts a passkey and an identity; their creation is tested elsewhere. */
  const addPasskeyAndIdentity = async ({ id }: TestPerson): Promise<void> => {
    await queryAsOwner(
      app,
      `insert into passkeys (id, user_id, name, credential_id, public_key, counter, transports, backed_up)
      values (gen_random_uuid(), $1, 'phone', gen_random_uuid()::text, '\\x00', 0, '{}', false)`,
      [id],
    );
    await queryAsOwner(
      app,
      `insert into accounts (id, user_id, provider_id, account_id)
      values (gen_random_uuid(), $1, 'https://id.example/', gen_random_uuid()::text)`,
      [id],
    );
  };
  const waysIn = async ({ id }: TestPerson) =>
    (
      await queryAsOwner(
        app,
        `select (select count(*)::int from passkeys where user_id = $1) as passkeys,
          (select count(*)::int from accounts where user_id = $1 and provider_id <> 'password') as identities,
          (select count(*)::int from totp_secrets where user_id = $1) as totp,
          (select count(*)::int from recovery_codes where user_id = $1) as recovery_codes,
          (select count(*)::int from sessions where user_id = $1 and revoked_at is null) as sessions,
          (select count(*)::int from api_keys where user_id = $1 and revoked_at is null) as keys,
          (select count(*)::int from notification_webhooks where user_id = $1) as webhooks`,
        [id],
      )
    )[0];
  const none = {
    passkeys: 0,
    identities: 0,
    totp: 0,
    recovery_codes: 0,
    sessions: 0,
    keys: 0,
    webhooks: 0,
  };
  const prepared = async (): Promise<TestPerson & { key: string }> => {
    const person = await app.person("victim");
    const key = await makeKey(person);
    await addTotp(person);
    await addPasskeyAndIdentity(person);
    await person.api.notifications.setWebhook({ body: { url: "https://8.8.8.8/hook" } });
    return { ...person, key };
  };
  const resetBy = async (person: TestPerson, count = 1): Promise<void> => {
    await app.client().auth.forgotPassword({ body: { email: person.email } });
    const token = await mailedToken(app, person.email, "reset-password", count);
    await app.client().auth.resetPassword({ body: { token, new_password: newPassword } });
  };
  const login = async (email: string, password: string): Promise<Pick<TestPerson, "api">> => {
    const { data } = await app.client().auth.login({ body: { email, password } });
    return { api: app.client(data.access_token) };
  };
  const expectShut = async (person: TestPerson & { key: string }): Promise<void> => {
    expect(await waysIn(person)).toEqual(none);
    for (const at of [app, sibling]) {
      await expectProblem(at.client(person.token).auth.me(), 401, "invalid_token");
      await expectProblem(at.client(person.key).auth.me(), 401, "invalid_token");
    }
    const body = { refresh_token: person.refreshToken };
    await expectProblem(app.client().auth.refresh({ body }), 401, "invalid_token");
  };

  test("a password reset removes every credential and says so in the email", async () => {
    const person = await prepared();
    const org = await makeOrganization(person);
    await person.api.apiKeys.create({ body: { name: "scoped", organization_id: org.id } });
    await resetBy(person);
    await expectShut(person);
    const owner = await login(person.email, newPassword);
    const own = await makeOrganization(owner);
    await expectProblem(
      app.client(person.key).organizations.get({ params: { org_id: own.id } }),
      401,
      "invalid_token",
    );
    const { data } = await owner.api.audit.list({ params: { org_id: org.id } });
    expect(data[0]).toMatchObject({
      action: "api_key.revoked",
      actor: { type: "user", id: person.id },
      target: { name: "scoped" },
    });
    await waitForMailQueue(app);
    const mails = await mailsTo(app, person.email);
    expect(mails.at(-1)?.text).toContain("every session, API key, passkey");
  });

  test("a link opened without a session removes everything but the password", async () => {
    for (const byCookie of [false, true]) {
      const person = await prepared();
      const token = await mailedToken(app, person.email, "verify-email");
      // A cookie sent from another site's page is not a session.
      const headers: Record<string, string> = {};
      if (byCookie) {
        const opened = await send(app, "POST", "/api/v1/auth/refresh", {
          body: { refresh_token: person.refreshToken },
        });
        headers["cookie"] = String(opened.headers.getSetCookie()[0]).split(";")[0] as string;
        headers["origin"] = "https://evil.example";
      }
      const path = "/api/v1/auth/verify-email";
      expect((await send(app, "POST", path, { body: { token }, headers })).status).toBe(204);
      await expectShut(person);
      const { api } = await login(person.email, person.password);
      expect((await api.auth.me()).data.is_verified).toBe(true);
    }
  });

  test("the owner of the address who made the account keeps everything", async () => {
    const person = await prepared();
    const token = await mailedToken(app, person.email, "verify-email");
    // Opening the link, as mail scanners do, changes nothing.
    for (const path of ["/verify-email", "/api/v1/auth/verify-email"]) {
      await send(app, "GET", `${path}?token=${token}`);
      await send(app, "HEAD", `${path}?token=${token}`);
    }
    expect((await person.api.auth.me()).data.is_verified).toBe(false);
    await app.client().auth.verifyEmail({ body: { token, keep_access: true } });
    expect(await waysIn(person)).toEqual({
      passkeys: 1,
      identities: 1,
      totp: 1,
      recovery_codes: 10,
      sessions: 1,
      keys: 1,
      webhooks: 1,
    });
    expect((await app.client(person.key).auth.me()).data.is_verified).toBe(true);
    const again = app.client().auth.verifyEmail({ body: { token, keep_access: false } });
    await expectProblem(again, 400, "invalid_link");
    // If the answer was a mistake, setting a new password removes everything.
    await resetBy(person);
    await expectShut(person);
  });

  test("the owner of the address who did not make the account removes everything", async () => {
    const person = await prepared();
    const token = await mailedToken(app, person.email, "verify-email");
    await app.client().auth.verifyEmail({ body: { token, keep_access: false } });
    await expectShut(person);
  });

  test("a password reset before the address is confirmed removes everything, without a question", async () => {
    const person = await prepared();
    const token = await mailedToken(app, person.email, "verify-email");
    await resetBy(person);
    await expectShut(person);
    const owner = await login(person.email, newPassword);
    const kept = await makeKey(owner);
    // The earlier link confirms an address that is confirmed already, and removes nothing.
    await app
      .client()
      .auth.verifyEmail({ body: { token } })
      .catch(() => undefined);
    expect((await app.client(kept).auth.me()).status).toBe(200);
  });

  test("a link opened in another account's session needs an answer", async () => {
    const [person, other] = [await prepared(), await app.person()];
    const token = await mailedToken(app, person.email, "verify-email");
    const unanswered = other.api.auth.verifyEmail({ body: { token } });
    await expectProblem(unanswered, 409, "link_of_another_account");
    const { data: me } = await person.api.auth.me();
    expect([me.is_verified, await waysIn(person)]).toMatchObject([false, { keys: 1, passkeys: 1 }]);
    await other.api.auth.verifyEmail({ body: { token, keep_access: false } });
    await expectShut(person);
    expect((await other.api.auth.me()).data.is_verified).toBe(false);
  });

  test("a link opened with a key only removes everything including the key", async () => {
    const person = await prepared();
    const token = await mailedToken(app, person.email, "verify-email");
    await app.client(person.key).auth.verifyEmail({ body: { token } });
    await expectShut(person);
  });

  test("an expired access token rejects the link, which stays valid", async () => {
    const person = await app.person();
    const token = await mailedToken(app, person.email, "verify-email");
    const { data } = await app.client().auth.login({
      body: { email: person.email, password: person.password },
    });
    const second = app.client(data.access_token);
    await second.auth.logout();
    await expectProblem(second.auth.verifyEmail({ body: { token } }), 401, "invalid_token");
    expect((await person.api.auth.verifyEmail({ body: { token } })).status).toBe(204);
  });

  test("a link opened in the account's own session keeps everything", async () => {
    for (const byCookie of [false, true]) {
      const person = await prepared();
      const token = await mailedToken(app, person.email, "verify-email");
      if (byCookie) {
        const opened = await send(app, "POST", "/api/v1/auth/refresh", {
          body: { refresh_token: person.refreshToken },
        });
        const cookie = String(opened.headers.getSetCookie()[0]).split(";")[0] as string;
        const headers = { cookie, origin: app.url };
        await send(app, "POST", "/api/v1/auth/verify-email", { body: { token }, headers });
      } else await person.api.auth.verifyEmail({ body: { token } });
      expect(await waysIn(person)).toEqual({
        passkeys: 1,
        identities: 1,
        totp: 1,
        recovery_codes: 10,
        sessions: 1,
        keys: 1,
        webhooks: 1,
      });
      const { data } = await app.client(person.key).auth.me();
      expect(data.is_verified).toBe(true);
      // A later reset keeps everything, too.
      await resetBy(person);
      expect(await waysIn(person)).toMatchObject({ passkeys: 1, totp: 1, sessions: 0, keys: 1 });
    }
  });

  test("until the password is proven, a reset removes credentials created after the link", async () => {
    const person = await app.person("victim");
    const token = await mailedToken(app, person.email, "verify-email");
    await app.client().auth.verifyEmail({ body: { token } });
    // The attacker returns with the known password.
    const attacker = await login(person.email, person.password);
    const key = await makeKey(attacker);
    await resetBy(person);
    await expectProblem(app.client(key).auth.me(), 401, "invalid_token");
    const owner = await login(person.email, newPassword);
    const kept = await makeKey(owner);
    await resetBy(person, 2);
    expect((await app.client(kept).auth.me()).status).toBe(200);
  });
});
