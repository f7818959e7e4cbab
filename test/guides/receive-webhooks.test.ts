import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { codeBlocks } from "#test/support/documents/code-blocks.js";
import { startExample } from "#test/support/documents/start-example.js";
import { makeOrganization } from "#test/support/fixtures/factories.js";
import { startTestApp, type TestApp } from "#test/support/server/app.js";

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp({ OMOI_WEBHOOK_PRIVATE_HOSTS: "true" });
});
afterAll(() => app.close());

test("the receiver in docs/how-to/receive-webhooks.md accepts deliveries signed with its secret only", async () => {
  const [code = ""] = await codeBlocks("how-to/receive-webhooks.md", "js");
  const owner = await app.person("owner");
  const params = { org_id: (await makeOrganization(owner)).id };
  const body = { url: "http://127.0.0.1:9/omoi", events: ["run.failed"] };
  const { data: webhook } = await owner.api.webhooks.create({ params, body });
  const receiver = await startExample(code, { OMOI_WEBHOOK_SECRET: webhook.secret as string });
  try {
    const one = { ...params, webhook_id: webhook.id };
    const url = `${receiver.url}/omoi`;
    await owner.api.webhooks.update({ params: one, body: { url } });
    const { data: accepted } = await owner.api.webhooks.test({ params: one });
    expect(accepted).toMatchObject({ status: "delivered" });
    await vi.waitFor(
      () => expect(receiver.output()).toContain(`${accepted.event_id} webhook.test`),
      { timeout: 10_000 },
    );
    const { data: another } = await owner.api.webhooks.create({ params, body: { ...body, url } });
    const { data: refused } = await owner.api.webhooks.test({
      params: { ...params, webhook_id: another.id },
    });
    expect(refused).toMatchObject({ status: "failed", last_attempt: { response_status: 401 } });
  } finally {
    await receiver.close();
  }
});
