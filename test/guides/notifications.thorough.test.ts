import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { codeBlocks } from "#test/support/documents/code-blocks.js";
import { queryAsOwner } from "#test/support/database/queries.js";
import { makeAgent, makeOrganization, makeProject } from "#test/support/fixtures/factories.js";
import { startTestApp, type TestApp } from "#test/support/server/app.js";
import { startReceiver, type Receiver } from "#test/support/webhooks/receiver.js";

let app: TestApp;
let receiver: Receiver;
beforeAll(async () => {
  app = await startTestApp({ OMOI_WEBHOOK_PRIVATE_HOSTS: "true" });
  receiver = await startReceiver();
});
afterAll(async () => {
  await app.close();
  await receiver.close();
});

test("the payload of docs/how-to/notifications.md is as it is", async () => {
  const owner = await app.person("owner");
  const org = await makeOrganization(owner);
  await owner.api.notifications.setWebhook({ body: { url: receiver.url } });
  const agent = await makeAgent(owner, (await makeProject(owner, org.id)).id);
  await queryAsOwner(
    app,
    `insert into runs (id, org_id, agent_id, kind, status, exit_code, started_at, ended_at, started_by)
     values (gen_random_uuid(), $1, $2, 'leased', 'failed', 1, now(), now(),
       jsonb_build_object('type', 'user', 'id', $3::text, 'name', 'Ada'))`,
    [org.id, agent.id, owner.id],
  );
  await vi.waitFor(() => expect(receiver.received).toHaveLength(1), { timeout: 120_000 });
  const [example = ""] = await codeBlocks("how-to/notifications.md", "json");
  const shown = JSON.parse(example) as { data: { notification: object; run: object } };
  const sent = receiver.received[0]?.payload as unknown as typeof shown;
  expect(Object.keys(sent).toSorted()).toEqual(Object.keys(shown).toSorted());
  expect(Object.keys(sent.data).toSorted()).toEqual(Object.keys(shown.data).toSorted());
  expect(Object.keys(sent.data.notification)).toEqual(Object.keys(shown.data.notification));
  expect(Object.keys(sent.data.run)).toEqual(expect.arrayContaining(Object.keys(shown.data.run)));
});
