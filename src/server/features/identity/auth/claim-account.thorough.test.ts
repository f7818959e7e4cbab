// Thorough: every kind of credential made during a takeover.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import { totpCode } from "#test/support/auth/totp-code.js";
import { queryAsOwner } from "#test/support/database/queries.js";
import { mailedToken } from "#test/support/mail/outbox.js";

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
  const login = async (email: string, password: string): Promise<Pick<TestPerson, "api">> => {
    const { data } = await app.client().auth.login({ body: { email, password } });
    return { api: app.client(data.access_token) };
  };

  test("no credential created during the takeover survives it", async () => {
    for (let round = 0; round < 20; round += 1) {
      const person = await app.person("victim");
      const { data: totp } = await person.api.secondFactor.startTotp();
      const code = totpCode(totp.secret as string);
      const { data: first } = await person.api.apiKeys.create({ body: { name: "first" } });
      await app.client().auth.forgotPassword({ body: { email: person.email } });
      const token = await mailedToken(app, person.email, "reset-password");
      await Promise.allSettled([
        ...Array.from({ length: 4 }, () => makeKey(person)),
        app.client().auth.resetPassword({ body: { token, new_password: newPassword } }),
        person.api.apiKeys.rotate({ params: { key_id: first.id }, body: {} }),
        person.api.secondFactor.confirmTotp({ body: { code } }),
        login(person.email, person.password),
        ...Array.from({ length: 4 }, () => makeKey(person)),
      ]);
      expect(await waysIn(person)).toEqual(none);
    }
  });
});
