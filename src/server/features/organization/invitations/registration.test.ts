import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  expectProblem,
  startTestApp,
  type TestApp,
  type TestPerson,
} from "#test/support/server/app.js";
import { makeOrganization } from "#test/support/fixtures/factories.js";
import { queryAsOwner } from "#test/support/database/queries.js";
import { fieldsOf } from "#test/support/http/raw-request.js";
import { systemRoleIds } from "../../../db/migrate.js";

const password = "correct staple horse";

describe.each(["open", "invite", "closed"] as const)("registration that is %s", (mode) => {
  let app: TestApp;
  let owner: TestPerson;
  let params: { org_id: string };
  beforeAll(async () => {
    app = await startTestApp({ OMOI_REGISTRATION: mode });
    owner = await app.person("owner");
    params = { org_id: (await makeOrganization(owner)).id };
  });
  afterAll(() => app.close());

  const invite = async (email: string) => {
    const body = { email, role_id: systemRoleIds.member };
    const { data } = await owner.api.invitations.create({ params, body });
    return { id: data.id, token: data.invite_url?.split("/").at(-1) as string };
  };
  const register = (email: string, invitation?: string) =>
    app.client().auth.register({ body: { email, password, invitation: invitation ?? null } });

  test(`${mode === "closed" ? "rejects" : "admits"} an invited address`, async () => {
    const { token } = await invite("guest@example.com");
    const { data: offer } = await app.client().invitations.get({ params: { token } });
    expect(offer.can_register).toBe(mode !== "closed");
    if (mode === "closed") {
      const problem = await expectProblem(
        register("guest@example.com", token),
        403,
        "registration_closed",
      );
      expect(problem.detail).toContain("operator of this server");
      return;
    }
    const { data: user } = await register("Guest@Example.com", token);
    // The link may have arrived by other means than email, so it does not verify the address.
    expect(user).toMatchObject({ email: "guest@example.com", is_verified: false });
    const { data: offered } = await app.client().invitations.get({ params: { token } });
    expect(offered.status).toBe("pending");
    const body = { email: "guest@example.com", password };
    const { data: tokens } = await app.client().auth.login({ body });
    const guest = app.client(tokens.access_token);
    expect((await guest.invitations.accept({ params: { token } })).data.role_name).toBe("member");
  });

  test(`${mode === "open" ? "admits" : "rejects"} an address without a valid invitation`, async () => {
    const { token } = await invite("invited@example.com");
    const expired = await invite("expired@example.com");
    await queryAsOwner(app, "update invitations set expires_at = now() where id = $1", [
      expired.id,
    ]);
    const revoked = await invite("revoked@example.com");
    await owner.api.invitations.revoke({ params: { ...params, invitation_id: revoked.id } });
    for (const [email, invitation] of [
      ["first@example.com", undefined],
      ["second@example.com", token],
      ["third@example.com", randomBytes(32).toString("base64url")],
      ["expired@example.com", expired.token],
      ["revoked@example.com", revoked.token],
    ] as const) {
      if (mode === "open") expect((await register(email, invitation)).status).toBe(201);
      else await expectProblem(register(email, invitation), 403, "registration_closed");
    }
  });

  test("names an invalid token by its field", async () => {
    const problem = await expectProblem(
      register("x@example.com", "garbled"),
      422,
      "validation_failed",
    );
    expect(fieldsOf(problem)).toEqual(["body.invitation"]);
  });
});
