import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { expectProblem, startTestApp, type TestApp } from "#test/support/server/app.js";
import { queryAsOwner } from "#test/support/database/queries.js";
import { fieldsOf, send } from "#test/support/http/raw-request.js";

const password = "correct staple horse";

describe("registration", () => {
  let app: TestApp;
  beforeAll(async () => {
    app = await startTestApp();
  });
  afterAll(() => app.close());
  const register = (email: string, secret = password) =>
    app.client().auth.register({ body: { email, password: secret } });

  test("one of two concurrent first users is the super admin", async () => {
    const users = await Promise.all(
      Array.from({ length: 6 }, (_, number) => register(`first-${number}@example.com`)),
    );
    expect(users.filter(({ data }) => data.is_super_admin)).toHaveLength(1);
    const [later] = [await register("later@example.com")];
    expect(later.data.is_super_admin).toBe(false);
  });

  test("returns the user without the password", async () => {
    const body = { email: "Ann.Lee@Example.COM", password, full_name: " Ann Lee " };
    const { status, data } = await app.client().auth.register({ body });
    expect(status).toBe(201);
    expect(data).toEqual({
      id: expect.any(String) as string,
      email: "ann.lee@example.com",
      full_name: "Ann Lee",
      department: null,
      attributes: {},
      is_active: true,
      is_verified: false,
      is_super_admin: false,
      created_at: expect.any(String) as string,
      last_login_at: null,
    });
    const [row] = await queryAsOwner<{ hash: string }>(
      app,
      "select password_hash as hash from accounts where user_id = $1",
      [data.id],
    );
    expect(row?.hash).toMatch(/^\$argon2id\$/);
  });

  test("an address in use is 409, in any case, also under concurrency", async () => {
    await register("taken@example.com");
    await expectProblem(register("TAKEN@example.com"), 409, "email_taken");
    const race = await Promise.allSettled([
      register("race@example.com"),
      register("race@example.com"),
    ]);
    expect(race.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
  });

  test.each([
    [{ email: "nobody", password }, "body.email"],
    [{ email: "a@b", password }, "body.email"],
    [{ email: `${"x".repeat(250)}@example.com`, password }, "body.email"],
    [{ email: "a\u0000b@example.com", password }, "body.email"],
    [{ password }, "body.email"],
    [{ email: "a@example.com" }, "body.password"],
    [{ email: "a@example.com", password: "short12" }, "body.password"],
    [{ email: "a@example.com", password: "x".repeat(129) }, "body.password"],
    [{ email: "a@example.com", password: 12345678 }, "body.password"],
    [{ email: "a@example.com", password: "Password123" }, "body.password"],
    [{ email: "a@example.com", password: "qwertyuiop" }, "body.password"],
    [{ email: "somebody@example.com", password: "Somebody@Example.com" }, "body.password"],
    [{ email: "somebody@example.com", password: "SomeBody" }, "body.password"],
    [{ email: "a@example.com", password: "Steelers1" }, "body.password"],
    [{ email: "a@example.com", password, full_name: " " }, "body.full_name"],
    [{ email: "a@example.com", password, is_super_admin: true }, "body.is_super_admin"],
  ])("%j is 422 and names the field", async (body, field) => {
    const fresh = await startTestAppOnce();
    const answer = await send(fresh, "POST", "/api/v1/auth/register", { body });
    expect([answer.status, fieldsOf(JSON.parse(answer.text))]).toEqual([422, [field]]);
  });
  // Registrations are limited by address, so these use an installation of their own.
  let second: TestApp | undefined;
  const startTestAppOnce = async () => (second ??= await startTestApp());
  afterAll(() => second?.close());

  test("passwords of 8 and of 128 arbitrary characters are accepted", async () => {
    for (const [index, secret] of ["xq7 vé9ü", "x".repeat(128)].entries()) {
      const email = `length-${index}@example.com`;
      await register(email, secret);
      const { data } = await app.client().auth.login({ body: { email, password: secret } });
      expect(data.token_type).toBe("bearer");
      await expectProblem(
        app.client().auth.login({ body: { email, password: secret.slice(0, -1) } }),
        401,
        "invalid_credentials",
      );
    }
  });

  test("is limited to thirty an hour from one address", async () => {
    const limited = await startTestApp();
    const tries = await Promise.all(
      Array.from({ length: 31 }, () =>
        send(limited, "POST", "/api/v1/auth/register", {
          body: { email: "a@example.com", password: "password123" },
        }),
      ),
    );
    const refused = tries.filter(({ status }) => status === 429);
    expect(refused).toHaveLength(1);
    const { headers } = refused[0] as (typeof tries)[number];
    expect(Number(headers.get("retry-after"))).toBeGreaterThan(0);
    expect(headers.get("ratelimit-policy")).toBe('"default";q=30;w=3600');
    await limited.close();
  });

  test.each([
    ["closed", { OMOI_REGISTRATION: "closed" }],
    ["invite", { OMOI_REGISTRATION: "invite" }],
    ["the default of a public address", { OMOI_PUBLIC_URL: "https://omoi.example.com" }],
  ])("%s admits exactly the first user", async (_mode, env) => {
    const shut = await startTestApp(env);
    const outcomes = await Promise.allSettled(
      Array.from({ length: 4 }, (_, number) =>
        shut.client().auth.register({ body: { email: `p${number}@example.com`, password } }),
      ),
    );
    const made = outcomes.filter(({ status }) => status === "fulfilled");
    expect(made).toHaveLength(1);
    expect(await queryAsOwner(shut, "select is_super_admin from users")).toEqual([
      { is_super_admin: true },
    ]);
    const body = { email: "late@example.com", password };
    await expectProblem(shut.client().auth.register({ body }), 403, "registration_closed");
    await shut.close();
  });
});
