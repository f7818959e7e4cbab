import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { ApiError } from "#shared/contract/client.js";
import { RestartableServer } from "../support/crash/restartable-server.js";
import { startReceiver, type Receiver } from "../support/webhooks/receiver.js";

/**
 * A burst of failed runs on a server that is killed in its middle. Each is received at least once by webhook; by email
 * each is named or counted at least once and at most twice.
 */
const AGENTS = 6;
const RUNS = 60;
const server = new RestartableServer({
  OMOI_WEBHOOK_PRIVATE_HOSTS: "true",
  OMOI_NOTIFICATION_DELAY_SECONDS: "1",
});
let receiver: Receiver;
beforeAll(async () => {
  receiver = await startReceiver();
  await server.open();
  // An access token would expire during a long burst.
  const { data: key } = await server.api.apiKeys.create({ body: { name: "crash" } });
  server.token = key.key as string;
});
afterAll(async () => {
  await server.close();
  await receiver.close();
});

/** How many notifications the emails in the outbox are about, and their Message-IDs. */
async function emails(): Promise<{ told: number; ids: string[] }> {
  const folder = join(server.dataDir, "outbox");
  const names = (await readdir(folder).catch(() => [])).filter((name) => name.endsWith(".eml"));
  const texts = await Promise.all(names.map((name) => readFile(join(folder, name), "utf8")));
  const digests = texts.filter((text) => text.includes("/settings/notifications"));
  const told = digests.reduce((sum, text) => {
    const more = Number(/^and (\d+) more/m.exec(text)?.[1] ?? 0);
    return sum + (text.match(/^- A run/gm)?.length ?? 0) + more;
  }, 0);
  return { told, ids: digests.map((text) => /^Message-ID: (.*)$/im.exec(text)?.[1] ?? "") };
}

test("every notification is sent although the server is killed", async () => {
  await server.query("update users set is_verified = true");
  const { data: org } = await server.api.organizations.create({ body: { name: "Burst" } });
  await server.api.organizations.update({
    params: { org_id: org.id },
    body: { max_concurrent_agents: 100 },
  });
  const { data: project } = await server.api.projects.create({
    body: { organization_id: org.id, name: "Burst" },
  });
  const agents: string[] = [];
  for (let index = 0; index < AGENTS; index += 1) {
    const body = { project_id: project.id, name: `worker-${index}` };
    agents.push((await server.api.agents.create({ body })).data.id);
  }
  const { data: webhook } = await server.api.notifications.setWebhook({
    body: { url: receiver.url },
  });
  receiver.secret = webhook.secret as string;

  let isDown = false;
  /** Repeats a call that a killed server did not answer. */
  const insist = async <Result>(call: () => Promise<Result>): Promise<Result | undefined> => {
    for (;;) {
      try {
        return await call();
      } catch (error) {
        // The call that got no answer may have had its effect.
        if (error instanceof ApiError && error.status === 409) return undefined;
        // Not a broken connection.
        if (error instanceof ApiError && error.status !== 503) throw error;
        await vi.waitFor(() => expect(isDown).toBe(false), { timeout: 120_000, interval: 50 });
      }
    }
  };
  const failRun = async (agent_id: string): Promise<void> => {
    const params = { agent_id };
    await insist(() => server.api.runs.create({ params, body: { external: true } }));
    const list = await insist(() =>
      server.api.runs.list({ params, query: { status: "running", limit: 1 } }),
    );
    const run = list?.data[0];
    if (!run) return;
    await insist(() =>
      server.api.runs.stop({ params: { run_id: run.id }, body: { status: "failed" } }),
    );
  };
  const burst = Promise.all(
    agents.map(async (agent) => {
      for (let count = 0; count < RUNS; count += 1) await failRun(agent);
    }),
  );
  for (const part of [0.2, 0.5]) {
    await vi.waitFor(() => expect(receiver.received.length).toBeGreaterThan(AGENTS * RUNS * part), {
      timeout: 600_000,
      interval: 2,
    });
    isDown = true;
    await server.kill();
    await server.start();
    isDown = false;
  }
  await burst;

  const failed = await server.query<{ id: string }>(
    "select id from events where type in ('run.failed', 'run.lost')",
  );
  expect(failed.length).toBeGreaterThanOrEqual(AGENTS * RUNS * 0.9);
  await vi.waitFor(
    async () => {
      const left = await server.query(
        `select event_id as id from notification_queue
        union all select id from notification_deliveries where status = 'pending'
        union all select id from pgboss.job where name = 'send-mail' and state < 'completed'`,
      );
      expect(left).toEqual([]);
    },
    { timeout: 300_000, interval: 200 },
  );
  const recorded = await server.query<{ id: string; key: string }>(
    "select id, key from notifications where type like 'run.%'",
  );
  expect(recorded.map(({ key }) => key).toSorted()).toEqual(failed.map(({ id }) => id).toSorted());
  expect(receiver.received.every(({ isVerified }) => isVerified)).toBe(true);
  const received = new Set(receiver.received.map(({ id }) => id));
  expect(recorded.filter(({ id }) => !received.has(id))).toEqual([]);
  const { told, ids } = await emails();
  expect(told).toBeGreaterThanOrEqual(failed.length);
  for (const id of ids) expect(ids.filter((other) => other === id).length).toBeLessThanOrEqual(2);
}, 3_600_000);
