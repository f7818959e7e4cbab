import { createHmac, randomUUID } from "node:crypto";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { ForgeWithWebhook } from "#shared/api/work/forges.js";
import {
  expectProblem,
  startTestApp,
  type TestApp,
  type TestPerson,
} from "#test/support/server/app.js";
import { makeOrganization } from "#test/support/fixtures/factories.js";
import type { ForgeDouble } from "#test/support/forges/forge-double.js";
import { startGithub } from "#test/support/forges/github/github-double.js";

const token = "a-token-of-the-forge-0123456789";
const MIB = 1024 * 1024;

let app: TestApp;
let owner: TestPerson;
let orgId: string;
let double: ForgeDouble;
let forge: ForgeWithWebhook;
beforeAll(async () => {
  app = await startTestApp({ OMOI_FORGE_PRIVATE_HOSTS: "true", OMOI_LOG_LEVEL: "error" });
  owner = await app.person("Ada");
  double = await startGithub();
  double.tokens.set(token, { login: "lead", reach: null });
});
afterAll(async () => {
  await double.close();
  await app.close();
});
beforeEach(async () => {
  orgId = (await makeOrganization(owner)).id;
  forge = await connect("webhook");
});

const connect = async (delivery?: "webhook" | "polling"): Promise<ForgeWithWebhook> =>
  (
    await owner.api.forges.create({
      params: { org_id: orgId },
      body: {
        kind: "github",
        url: double.url,
        api_url: double.apiUrl,
        token,
        ...(delivery && { delivery }),
      },
    })
  ).data;

const eventOf = (number: number, more: object = {}): string =>
  JSON.stringify({
    action: "labeled",
    issue: { number },
    repository: { full_name: "acme/shop" },
    sender: { login: "dev-1", type: "User" },
    ...more,
  });

function send(
  body: string,
  { id = randomUUID(), secret = forge.webhook?.secret ?? "", headers = {} } = {},
): Promise<Response> {
  const signature = createHmac("sha256", secret).update(body).digest("hex");
  return fetch(`${app.url}/hooks/forges/${forge.id}`, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      "x-github-event": "issues",
      "x-github-delivery": id,
      "x-hub-signature-256": `sha256=${signature}`,
      ...headers,
    },
    body,
  });
}

const deliveries = async (query = {}) =>
  (
    await owner.api.forgeDeliveries.list({
      params: { org_id: orgId, forge_id: forge.id },
      query,
    })
  ).data;

describe("an event of a forge", () => {
  test("is stored once, with why nothing follows from it", async () => {
    const id = randomUUID();
    const first = await send(eventOf(7), { id });
    expect(first.status).toBe(200);
    expect((await send(eventOf(7), { id })).status).toBe(200);
    expect(await deliveries()).toMatchObject([
      {
        delivery_id: id,
        source: "webhook",
        event: "issues.labeled",
        repository: "acme/shop",
        number: 7,
        login: "dev-1",
        status: "ignored",
        decision: "ignored",
        reason: "No project is linked to the repository by this connection.",
        task_id: null,
      },
    ]);
    const { data: seen } = await owner.api.forges.get({
      params: { org_id: orgId, forge_id: forge.id },
    });
    expect(seen.last_event_at).not.toBeNull();
  });

  test("with a wrong or a missing signature is refused, and leaves nothing", async () => {
    expect((await send(eventOf(7), { secret: "another" })).status).toBe(401);
    const bare = await send(eventOf(7), { headers: { "x-hub-signature-256": "" } });
    expect(bare.status).toBe(401);
    expect(await bare.json()).toMatchObject({ code: "wrong_signature" });
    expect(await deliveries()).toEqual([]);
    const unknown = await fetch(`${app.url}/hooks/forges/${randomUUID()}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: "{}",
    });
    expect(unknown.status).toBe(404);
  });

  test("that is no JSON is refused", async () => {
    expect((await send("{")).status).toBe(400);
    expect((await send(eventOf(1), { headers: { "content-type": "text/plain" } })).status).toBe(
      415,
    );
  });

  test("may have 25 MiB, and not more", async () => {
    const filler = (mib: number): string => eventOf(8, { filler: "x".repeat(mib * MIB - 1000) });
    expect((await send(filler(25))).status).toBe(200);
    expect((await send(filler(26))).status).toBe(413);
    expect(await deliveries()).toHaveLength(1);
  });

  test("that names another organization's repository says so", async () => {
    await send(eventOf(1, { repository: { full_name: "other/secret" } }));
    await send(eventOf(1, { repository: undefined }));
    const [none, other] = await deliveries();
    expect(none?.reason).toBe("The event belongs to no repository.");
    expect(other?.reason).toContain("No project is linked");
    expect(await deliveries({ repository: "other/secret" })).toHaveLength(1);
    expect(await deliveries({ number: 2 })).toEqual([]);
  });

  test("is refused after a rotation of the secret, until it is signed with the new one", async () => {
    const { data } = await owner.api.forges.rotateWebhookSecret({
      params: { org_id: orgId, forge_id: forge.id },
    });
    expect(data.webhook?.url).toContain(`/hooks/forges/${forge.id}`);
    expect((await send(eventOf(1))).status).toBe(401);
    forge = data;
    expect((await send(eventOf(1))).status).toBe(200);
  });
});

test("a connection polls where no forge reaches the server, and shows a secret for hooks only", async () => {
  const polling = await connect();
  expect(polling).toMatchObject({ delivery: "polling", webhook: null });
  expect(forge.webhook?.secret).toMatch(/^[\w-]{43}$/);
  const at = { params: { org_id: orgId, forge_id: polling.id } };
  const { data } = await owner.api.forges.update({ ...at, body: { delivery: "webhook" } });
  expect(data.delivery).toBe("webhook");
  const member = await app.person("Grace");
  await expectProblem(
    member.api.forgeDeliveries.list({ params: { org_id: orgId, forge_id: forge.id } }),
    404,
    "not_found",
  );
});
