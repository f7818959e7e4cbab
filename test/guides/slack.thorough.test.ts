/** The relay of docs/how-to/slack.md between a real webhook and a scripted Slack. */
import { randomUUID } from "node:crypto";
import { Webhook } from "standardwebhooks";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import type { Agent } from "#shared/api/work/agents.js";
import type { Organization } from "#shared/api/organization/organizations.js";
import { codeBlocks } from "#test/support/documents/code-blocks.js";
import { startExample, type Example } from "#test/support/documents/start-example.js";
import { makeOrganization, makeProject, makeWorkspace } from "#test/support/fixtures/factories.js";
import { shell, waitForRunEnd } from "#test/support/fixtures/runs.js";
import {
  answerJson,
  startModelServer,
  type ModelServer,
} from "#test/support/models/model-server.js";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import { signedInCli, type SignedInCli } from "#test/support/server/signed-in-cli.js";

let app: TestApp;
let owner: TestPerson;
let org: Organization;
let agent: Agent;
let cli: SignedInCli;
/** Any scripted HTTP server that keeps its calls. */
let slack: ModelServer;
let relay: Example;
let secret: string;
let webhookId: string;

beforeAll(async () => {
  app = await startTestApp({ OMOI_WEBHOOK_PRIVATE_HOSTS: "true" }, "real");
  owner = await app.person("Ada");
  org = await makeOrganization(owner);
  ({ agent } = await makeWorkspace(owner, (await makeProject(owner, org.id)).id));
  cli = await signedInCli(app.url, owner);
  slack = await startModelServer();

  // The command of the guide, with the address of the relay once it is known.
  const [create = ""] = await codeBlocks("how-to/slack.md", "sh");
  const words = create
    .replaceAll("\\\n", " ")
    .replace("https://relay.example.com", "http://127.0.0.1:9")
    .trim();
  const created = await cli.run(...words.split(/\s+/).slice(1), "--json");
  expect([created.code, created.err]).toEqual([0, ""]);
  ({ secret, id: webhookId } = JSON.parse(created.out) as { secret: string; id: string });
  const [script = ""] = await codeBlocks("how-to/slack.md", "js");
  relay = await startExample(script, {
    OMOI_URL: app.url,
    OMOI_WEBHOOK_SECRET: secret,
    SLACK_WEBHOOK_URL: slack.url,
  });
  await owner.api.webhooks.update({
    params: { org_id: org.id, webhook_id: webhookId },
    body: { url: `${relay.url}/omoi` },
  });
});
afterAll(async () => {
  await relay?.close();
  await slack?.close();
  cli?.close();
  await app?.close();
});

beforeEach(() => {
  slack.calls.length = 0;
  slack.respond((response) => void response.end("ok"));
});

const texts = (): string[] =>
  slack.calls.map(({ body }) => (JSON.parse(body) as { text: string }).text);

/** Sends an event to the relay as Omoi does. */
async function deliver(event: object, id: string = randomUUID(), signedWith = secret) {
  const body = JSON.stringify(event);
  const at = new Date();
  const headers = {
    "content-type": "application/json",
    "webhook-id": id,
    "webhook-timestamp": String(Math.floor(at.getTime() / 1000)),
    "webhook-signature": new Webhook(signedWith).sign(id, at, body),
  };
  return (await fetch(relay.url, { method: "POST", headers, body })).status;
}

test("the test of the guide is posted", async () => {
  const tested = await cli.run("webhook", "test", webhookId, "--json");
  expect(JSON.parse(tested.out)).toMatchObject({ status: "delivered" });
  expect(texts()).toEqual([expect.stringContaining("*A test from Omoi*")]);
});

test("a failed run is posted once, also after Slack was busy", async () => {
  slack.respond((response) => {
    if (slack.calls.length > 1) response.end("ok");
    else answerJson(response, { ok: false }, 429, { "retry-after": "1" });
  });
  const { data: run } = await owner.api.runs.create({
    params: { agent_id: agent.id },
    body: { command: shell("exit 7") },
  });
  await waitForRunEnd(owner, run.id);
  await expect.poll(() => slack.calls.length).toBe(2);
  const page = `${app.url}/agents/${agent.id}/runs/${run.id}`;
  const text = `*Run failed* · <${page}|${agent.name}> · exit code 7`;
  expect(texts()).toEqual([text, text].map((one) => expect.stringContaining(one)));
  expect(relay.output()).toContain("Slack answered 429");
  await expect
    .poll(async () => {
      const params = { org_id: org.id, webhook_id: webhookId };
      const { data } = await owner.api.webhooks.deliveries({ params, query: {} });
      return data.find(({ event_type }) => event_type === "run.failed");
    })
    .toMatchObject({ status: "delivered", attempts: 2 });
});

test("what agents write mentions no one, and a repetition is not posted", async () => {
  const session = { id: "s", agent_id: "a", agent_name: "ada", title: "<!channel> & <http://a|b>" };
  const event = { type: "session.waiting_for_permission", data: { session } };
  const id = randomUUID();
  expect([await deliver(event, id), await deliver(event, id)]).toEqual([204, 204]);
  expect(texts()).toEqual([
    `*Session waits for a permission* · <${app.url}/agents/a/sessions/s|ada> · &lt;!channel&gt; &amp; &lt;http://a|b&gt;`,
  ]);
});

test("other secrets and long bodies are refused", async () => {
  const event = { type: "run.failed", data: {} };
  const other = `whsec_${Buffer.alloc(32).toString("base64")}`;
  expect(await deliver(event, randomUUID(), other)).toBe(401);
  expect(await deliver({ ...event, x: "x".repeat(2 ** 20) })).toBe(401);
  expect(texts()).toEqual([]);
});
