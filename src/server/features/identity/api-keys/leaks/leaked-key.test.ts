import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  expectProblem,
  sharedTestApp,
  startTestApp,
  type TestApp,
  type TestPerson,
} from "#test/support/server/app.js";
import { makeOrganization } from "#test/support/fixtures/factories.js";
import { waitForMailQueue, mailsTo } from "#test/support/mail/outbox.js";
import { send } from "#test/support/http/raw-request.js";
import { generateKey } from "#shared/node/key-text.js";

describe("reporting a leaked key", () => {
  let app: TestApp;
  let sibling: TestApp;
  let owner: TestPerson;
  beforeAll(async () => {
    app = await sharedTestApp();
    sibling = await app.sibling();
    owner = await app.person("owner");
  });
  afterAll(() => sibling.close());

  const report = (key: string) => app.client().apiKeys.revokeLeaked({ body: { key } });

  test("revokes it on every process and notifies its owner and organization", async () => {
    const org = await makeOrganization(owner);
    const { data } = await owner.api.apiKeys.create({
      body: { name: "In a public repository", organization_id: org.id },
    });
    const key = data.key as string;
    await sibling.client(key).auth.me();
    expect((await report(key)).status).toBe(204);
    for (const process of [app, sibling]) {
      await expectProblem(process.client(key).auth.me(), 401, "invalid_token");
    }
    await waitForMailQueue(app);
    const mails = await mailsTo(app, owner.email);
    const mail = mails.find(({ subject }) => subject.includes("API key"));
    expect(mail?.text).toContain("“In a public repository”");
    expect(mail?.text).toContain(`${app.url}/settings/api-keys/${data.id}`);
    expect(mail?.text).not.toContain(key);
    const { data: events } = await owner.api.audit.list({
      params: { org_id: org.id },
      query: { target_id: data.id },
    });
    expect(events[0]).toMatchObject({ action: "api_key.leaked", actor: { type: "system" } });
    // One notification, however often it is reported.
    await report(key);
    await waitForMailQueue(app);
    expect((await mailsTo(app, owner.email)).length).toBe(mails.length);
  });

  test("does not reveal whether the key existed", async () => {
    const { data } = await owner.api.apiKeys.create({ body: { name: "k" } });
    const answers = new Set<string>();
    const key = data.key as string;
    for (const text of [
      key,
      key,
      generateKey("sk_live_"),
      key.slice(0, -1),
      "x",
      "x".repeat(1024),
    ]) {
      const answer = await send(app, "POST", "/api/v1/auth/api-keys/revoke-leaked", {
        body: { key: text },
      });
      answers.add(`${answer.status} ${answer.text} ${answer.headers.get("content-type")}`);
    }
    expect([...answers]).toEqual(["204  null"]);
    const empty = await send(app, "POST", "/api/v1/auth/api-keys/revoke-leaked", { body: {} });
    expect(empty.status).toBe(422);
  });

  test("is rate limited by address", async () => {
    const limited = await startTestApp();
    const reports = await Promise.allSettled(
      Array.from({ length: 301 }, () =>
        limited.client().apiKeys.revokeLeaked({ body: { key: "x" } }),
      ),
    );
    expect(reports.some(({ status }) => status === "rejected")).toBe(true);
    const again = limited.client().apiKeys.revokeLeaked({ body: { key: "x" } });
    await expectProblem(again, 429, "rate_limited");
    await limited.close();
  });
});
