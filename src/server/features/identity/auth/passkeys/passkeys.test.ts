import { randomUUID } from "node:crypto";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { expectProblem, startTestApp, type TestApp } from "#test/support/server/app.js";
import type { ApiError } from "#shared/contract/client.js";
import { queryAsOwner } from "#test/support/database/queries.js";
import { mailedToken } from "#test/support/mail/outbox.js";
import { fieldsOf, problemOf, send } from "#test/support/http/raw-request.js";
import {
  addPasskey,
  localhost,
  makePasskey,
  signWith,
  type SoftwarePasskey,
} from "#test/support/auth/software-authenticator.js";
import { relyingPartyOf } from "./webauthn.js";

describe("passkeys", () => {
  let app: TestApp;
  beforeAll(async () => {
    app = await startTestApp({ OMOI_PUBLIC_URL: localhost });
  });
  afterAll(() => app.close());
  afterEach(() => {
    vi.useRealTimers();
  });

  const loginOptions = async () => (await app.client().passkeys.loginOptions()).data;
  const login = (response: ReturnType<typeof signWith>, at = app) =>
    at.client().passkeys.login({ body: { response } });
  const loginWith = async (passkey: SoftwarePasskey, deviations?: Parameters<typeof signWith>[3]) =>
    login(signWith(passkey, await loginOptions(), localhost, deviations));

  test("is created, listed and renamed", async () => {
    const { api, id, email } = await app.person();
    const { data: options } = await api.passkeys.options();
    expect(options).toMatchObject({
      rp: { id: "localhost", name: "Omoi" },
      user: { name: email },
      attestation: "none",
      authenticatorSelection: { residentKey: "required", userVerification: "required" },
      excludeCredentials: [],
    });
    const { passkey, response } = makePasskey(options, localhost);
    const created = await api.passkeys.create({ body: { name: " My laptop ", response } });
    expect(created.status).toBe(201);
    expect(created.data).toMatchObject({ name: "My laptop", backed_up: true, last_used_at: null });
    expect(Buffer.from(passkey.userHandle, "base64url").toString("hex")).toBe(
      id.replaceAll("-", ""),
    );
    const params = { passkey_id: created.data.id };
    const renamed = await api.passkeys.rename({ params, body: { name: "Work laptop" } });
    expect((await api.passkeys.list()).data).toEqual([renamed.data]);
    expect(renamed.data).toEqual({ ...created.data, name: "Work laptop" });
    // The authenticator receives the existing credential, so that it does not create a second one.
    const { data: again } = await api.passkeys.options();
    expect(again).toMatchObject({ excludeCredentials: [{ id: passkey.id }] });
  });

  test("signs in without password or code and records its use", async () => {
    const person = await app.person();
    const { data: started } = await person.api.secondFactor.startTotp();
    expect(started.secret).not.toBeNull();
    const { passkey } = await addPasskey(person.api);
    await queryAsOwner(app, "update totp_secrets set confirmed_at = now() where user_id = $1", [
      person.id,
    ]);
    const { data, headers } = await loginWith(passkey);
    expect(headers.get("set-cookie")).toMatch(/^omoi_session=ocs_.*HttpOnly/);
    expect(headers.get("cache-control")).toBe("no-store");
    expect((await app.client(data.access_token).auth.me()).data.id).toBe(person.id);
    expect((await person.api.passkeys.list()).data[0]?.last_used_at).not.toBeNull();
    expect((await loginWith(passkey)).status).toBe(200);
  });

  test("the same passkey cannot be registered twice, by any user", async () => {
    const [ann, bob] = [await app.person(), await app.person()];
    const { passkey } = await addPasskey(ann.api);
    const { data: options } = await bob.api.passkeys.options();
    const made = makePasskey(options, localhost);
    await queryAsOwner(app, "update passkeys set credential_id = $1 where credential_id = $2", [
      made.passkey.id,
      passkey.id,
    ]);
    const body = { name: "mine", response: made.response };
    await expectProblem(bob.api.passkeys.create({ body }), 409, "passkey_exists");
  });

  test("is not registered for another site, user or time, or without user verification", async () => {
    const [ann, bob] = [await app.person(), await app.person()];
    const optionsOf = async (person: typeof ann) => (await person.api.passkeys.options()).data;
    const refuse = async (response: ReturnType<typeof makePasskey>["response"], type: string) => {
      const call = ann.api.passkeys.create({ body: { name: "x", response } });
      const problem = await expectProblem(call, 422, "validation_failed");
      expect(problem.errors).toMatchObject([{ loc: ["body", "response"], type }]);
    };
    for (const deviations of [
      { origin: "https://evil.example" },
      { origin: "http://localhost:1234" },
      { rpId: "evil.example" },
      { userVerified: false },
    ]) {
      const { response } = makePasskey(await optionsOf(ann), localhost, deviations);
      await refuse(response, "passkey_rejected");
    }
    const signIn = (await loginOptions())["challenge"] as string;
    for (const challenge of ["", "AAAA", signIn]) {
      const { response } = makePasskey(await optionsOf(ann), localhost, { challenge });
      await refuse(response, "challenge_expired");
    }
    await refuse(makePasskey(await optionsOf(bob), localhost).response, "challenge_expired");
    const garbage = makePasskey(await optionsOf(ann), localhost).response;
    garbage.response.clientDataJSON = Buffer.from("null").toString("base64url");
    await refuse(garbage, "challenge_expired");
    const broken = makePasskey(await optionsOf(ann), localhost).response;
    broken.response.attestationObject = "AAAA";
    await refuse(broken, "passkey_rejected");

    const used = makePasskey(await optionsOf(ann), localhost).response;
    const body = { name: "x", response: used };
    expect((await ann.api.passkeys.create({ body })).status).toBe(201);
    await refuse(used, "challenge_expired");
    const late = makePasskey(await optionsOf(ann), localhost).response;
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 5 * 60_000 + 1000 });
    await refuse(late, "challenge_expired");
  });

  test("rejects a sign-in from another site, without user verification, or as another user", async () => {
    const [ann, bob] = [await app.person(), await app.person()];
    const { passkey } = await addPasskey(ann.api);
    const { passkey: bobs } = await addPasskey(bob.api);
    for (const deviations of [
      { origin: "https://evil.example" },
      { rpId: "evil.example" },
      { userVerified: false },
      { userHandle: bobs.userHandle },
      { userHandle: "" },
    ]) {
      await expectProblem(loginWith(passkey, deviations), 401, "passkey_rejected");
    }
    await expectProblem(loginWith({ ...passkey, id: bobs.id }), 401, "passkey_rejected");
    await expectProblem(loginWith({ ...passkey, id: "dW5rbm93bg" }), 401, "passkey_rejected");
    const forged = signWith(passkey, await loginOptions(), localhost);
    forged.response.signature = signWith(bobs, await loginOptions(), localhost).response.signature;
    await expectProblem(login(forged), 401, "passkey_rejected");
    const registration = await ann.api.passkeys.options();
    const misused = { challenge: registration.data["challenge"] as string };
    await expectProblem(loginWith(passkey, misused), 401, "challenge_expired");
    expect((await loginWith(passkey)).status).toBe(200);
  });

  test("a counter that does not increase indicates a clone; a constant zero does not", async () => {
    const { api } = await app.person();
    const { passkey } = await addPasskey(api);
    expect((await loginWith(passkey, { counter: 7 })).status).toBe(200);
    await expectProblem(loginWith(passkey, { counter: 7 }), 401, "passkey_rejected");
    await expectProblem(loginWith(passkey, { counter: 0 }), 401, "passkey_rejected");
    expect((await loginWith(passkey, { counter: 8 })).status).toBe(200);
    await queryAsOwner(app, "update passkeys set counter = 0 where credential_id = $1", [
      passkey.id,
    ]);
    expect((await loginWith(passkey, { counter: 0 })).status).toBe(200);
    // A new challenge with counter zero, so this is not a replay.
    expect((await loginWith(passkey, { counter: 0 })).status).toBe(200);
  });

  test("a deactivated user cannot sign in, and a removed passkey is unknown", async () => {
    const [ann, bob] = [await app.person(), await app.person()];
    const { passkey } = await addPasskey(ann.api);
    const { passkey: bobs, id } = await addPasskey(bob.api);
    await queryAsOwner(app, "update users set is_active = false where id = $1", [ann.id]);
    await expectProblem(loginWith(passkey), 401, "passkey_rejected");
    const params = { passkey_id: id };
    expect((await bob.api.passkeys.remove({ params })).status).toBe(204);
    await expectProblem(bob.api.passkeys.remove({ params }), 404, "not_found");
    await expectProblem(loginWith(bobs), 401, "passkey_rejected");
  });

  test("another user's passkey is not found", async () => {
    const [ann, bob] = [await app.person(), await app.person()];
    const { id } = await addPasskey(ann.api);
    for (const passkey_id of [id, randomUUID()]) {
      const params = { passkey_id };
      const rename = bob.api.passkeys.rename({ params, body: { name: "mine" } });
      await expectProblem(rename, 404, "not_found");
      await expectProblem(bob.api.passkeys.remove({ params }), 404, "not_found");
    }
    expect((await ann.api.passkeys.list()).data).toHaveLength(1);
  });

  test("the last sign-in method stays, also when two are removed concurrently", async () => {
    const { api, id } = await app.person();
    const made = [await addPasskey(api), await addPasskey(api)];
    await queryAsOwner(app, "delete from accounts where user_id = $1", [id]);
    const outcomes = await Promise.allSettled(
      made.map((passkey) => api.passkeys.remove({ params: { passkey_id: passkey.id } })),
    );
    expect(outcomes.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
    const { data: left } = await api.passkeys.list();
    expect(left).toHaveLength(1);
    const params = { passkey_id: left[0]?.id as string };
    await expectProblem(api.passkeys.remove({ params }), 409, "last_sign_in_method");
    expect((await api.passkeys.list()).data).toEqual(left);
  });

  test("a password reset removes passkeys of an unclaimed account", async () => {
    const [unproven, proven] = [await app.person(), await app.person()];
    await queryAsOwner(app, "update users set is_verified = true where id = $1", [proven.id]);
    const left = [];
    for (const { api, email } of [unproven, proven]) {
      const { passkey } = await addPasskey(api);
      await app.client().auth.forgotPassword({ body: { email } });
      const token = await mailedToken({ ...app, url: localhost }, email, "reset-password");
      const body = { token, new_password: "another staple horse" };
      await app.client().auth.resetPassword({ body });
      left.push(
        await loginWith(passkey).then(
          ({ status }) => status,
          (error: unknown) => (error as ApiError).status,
        ),
      );
    }
    expect(left).toEqual([401, 200]);
  });

  test("an API key lists them but cannot change them", async () => {
    const person = await app.person();
    const { id } = await addPasskey(person.api);
    const { data } = await person.api.apiKeys.create({ body: { name: "all" } });
    const { passkeys } = app.client(data.key as string);
    expect((await passkeys.list()).data).toHaveLength(1);
    const params = { passkey_id: id };
    await expectProblem(passkeys.options(), 403, "session_required");
    const { response } = makePasskey({ challenge: "AAAA" }, localhost);
    const body = { name: "x", response };
    await expectProblem(passkeys.create({ body }), 403, "session_required");
    await expectProblem(passkeys.rename({ params, body: { name: "x" } }), 403, "session_required");
    await expectProblem(passkeys.remove({ params }), 403, "session_required");
  });

  test("are unavailable at an IP address, with the reason and an alternative", async () => {
    const bare = await startTestApp();
    const { data } = await bare.client().auth.methods();
    expect(data).toMatchObject({ password: true, passkey: false, oidc: null });
    expect(data.passkey_reason).toContain("http://localhost:");
    const { api } = await bare.person();
    const problem = await expectProblem(api.passkeys.options(), 409, "passkeys_unavailable");
    expect(problem.detail).toBe(data.passkey_reason);
    await expectProblem(bare.client().passkeys.loginOptions(), 409, "passkeys_unavailable");
    await bare.close();
    const { data: named } = await app.client().auth.methods();
    expect(named).toMatchObject({ passkey: true, passkey_reason: null, registration: "open" });
    const answer = await send(app, "POST", "/api/v1/auth/login/passkey", { body: {} });
    expect(fieldsOf(problemOf(answer))).toEqual(["body.response"]);
  });

  test.each([
    [
      "https://omoi.example.com",
      "omoi.example.com",
      "omoi.example.com",
      "https://omoi.example.com",
    ],
    ["https://omoi.example.com:8443/sub", "x", "omoi.example.com", "https://omoi.example.com:8443"],
    // The Host header is ignored when the server has a public name.
    ["https://omoi.example.com", "localhost", "omoi.example.com", "https://omoi.example.com"],
    ["http://localhost:8080", "127.0.0.1:8080", "localhost", "http://localhost:8080"],
    ["http://127.0.0.1:8080", "localhost:9000", "localhost", "http://localhost:9000"],
    ["http://[::1]:8080", "localhost:8080", "localhost", "http://localhost:8080"],
  ])("at %s, requested as %s, they are bound to %s", (publicUrl, host, id, origin) => {
    const party = relyingPartyOf(publicUrl, host);
    expect(party).toMatchObject({ id });
    expect((party as { origins: string[] }).origins).toContain(origin);
  });

  test.each([
    ["http://127.0.0.1:8080", "127.0.0.1:8080", "http://localhost:8080"],
    ["http://127.0.0.1:8080", "evil.example", "http://localhost:8080"],
    ["http://192.168.1.5", "192.168.1.5", "OMOI_PUBLIC_URL"],
    ["http://192.168.1.5", "localhost", "OMOI_PUBLIC_URL"],
    ["https://[2001:db8::1]", "localhost", "OMOI_PUBLIC_URL"],
  ])("at %s, requested as %s, they are unavailable, with a hint to %s", (publicUrl, host, said) => {
    expect(relyingPartyOf(publicUrl, host)).toContain(said);
  });
});
