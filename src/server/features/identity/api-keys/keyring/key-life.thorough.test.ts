import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  expectProblem,
  startTestApp,
  type TestApp,
  type TestPerson,
} from "#test/support/server/app.js";
import { queryAsOwner } from "#test/support/database/queries.js";
import { send, withoutRequestId, problemOf } from "#test/support/http/raw-request.js";

describe("lifecycle of a key", () => {
  let app: TestApp;
  let sibling: TestApp;
  let owner: TestPerson;
  beforeAll(async () => {
    app = await startTestApp();
    sibling = await app.sibling();
    owner = await app.person("owner");
  });
  afterAll(async () => {
    await sibling.close();
    await app.close();
  });

  const make = async () => {
    const { data } = await owner.api.apiKeys.create({ body: { name: "k" } });
    return { id: data.id, key: data.key as string };
  };
  const refused = async (key: string) => {
    const answer = await send(app, "GET", "/api/v1/auth/me", { token: key });
    expect([answer.status, problemOf(answer).code]).toEqual([401, "invalid_token"]);
    expect(answer.headers.get("www-authenticate")).toBe('Bearer error="invalid_token"');
    return withoutRequestId(answer);
  };

  test("unknown, mistyped, truncated, expired and revoked keys get the same 401", async () => {
    const { id, key } = await make();
    const expired = await make();
    await queryAsOwner(app, "update api_keys set expires_at = now() where id = $1", [expired.id]);
    const gone = await make();
    await queryAsOwner(app, "delete from api_keys where id = $1", [gone.id]);
    const other = await startTestApp({ OMOI_KEY_PREFIX: "acme_" });
    const stranger = await other.person("stranger");
    const { data: foreign } = await stranger.api.apiKeys.create({ body: { name: "k" } });
    await other.close();
    await owner.api.apiKeys.revoke({ params: { key_id: id } });
    const answers = new Set<string>();
    for (const wrong of [
      key,
      expired.key,
      gone.key,
      foreign.key as string,
      key.slice(0, -1),
      `${key.slice(0, -1)}${key.endsWith("0") ? "1" : "0"}`,
      key.replace("sk_live_", "sk_test_"),
      "sk_live_",
      "x",
    ]) {
      answers.add(await refused(wrong));
    }
    expect(answers.size).toBe(1);
    const { data } = await owner.api.apiKeys.get({ params: { key_id: expired.id } });
    expect(data).toMatchObject({ status: "expired", is_active: false });
  });

  test("a key revoked by one process is immediately rejected by the other, a hundred times", async () => {
    for (let round = 0; round < 100; round += 1) {
      const { id, key } = await make();
      const [here, there] = [app.client(key), sibling.client(key)];
      await Promise.all([here.auth.me(), there.auth.me()]);
      await (round % 2 === 0 ? owner.api : sibling.client(owner.token)).apiKeys.revoke({
        params: { key_id: id },
      });
      await expectProblem(there.auth.me(), 401, "invalid_token");
      await expectProblem(here.auth.me(), 401, "invalid_token");
    }
  });

  test("revoking twice changes nothing", async () => {
    const { id } = await make();
    const params = { key_id: id };
    expect((await owner.api.apiKeys.revoke({ params })).status).toBe(204);
    const { data: first } = await owner.api.apiKeys.get({ params });
    expect(first).toMatchObject({ status: "revoked", is_active: false });
    expect(first.revoked_at).not.toBeNull();
    expect((await owner.api.apiKeys.revoke({ params })).status).toBe(204);
    expect((await owner.api.apiKeys.get({ params })).data).toEqual(first);
  });

  test("a key of an inactive user is rejected", async () => {
    const person = await app.person("leaver");
    const { data } = await person.api.apiKeys.create({ body: { name: "k" } });
    await queryAsOwner(app, "update users set is_active = false where id = $1", [person.id]);
    await refused(data.key as string);
    await expectProblem(person.api.auth.me(), 401, "invalid_token");
  });

  test("the last use is written in the background, at the latest on close", async () => {
    const { id, key } = await make();
    const third = await app.sibling();
    const before = Date.now();
    for (let number = 0; number < 3; number += 1) await third.client(key).auth.me();
    const params = { key_id: id };
    expect((await owner.api.apiKeys.get({ params })).data.last_used_at).toBeNull();
    await third.close();
    const { data } = await owner.api.apiKeys.get({ params });
    expect(Date.parse(data.last_used_at as string)).toBeGreaterThanOrEqual(before);
    expect(data.last_used_ip).toBe("127.0.0.1");
  });

  test("a late write of an earlier use does not move the time back", async () => {
    const { id, key } = await make();
    const third = await app.sibling();
    await third.client(key).auth.me();
    await queryAsOwner(app, "update api_keys set last_used_at = '2100-01-01Z' where id = $1", [id]);
    await third.close();
    const { data } = await owner.api.apiKeys.get({ params: { key_id: id } });
    expect(data.last_used_at).toBe("2100-01-01T00:00:00.000Z");
  });
});
