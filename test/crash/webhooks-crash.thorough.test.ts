import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { ApiError } from "#shared/contract/client.js";
import { RestartableServer } from "../support/crash/restartable-server.js";
import { startReceiver, type Receiver } from "../support/webhooks/receiver.js";

/**
 * A burst of events on a server that is killed in its middle, while deliveries are under way. Each event that the
 * database has is received at least once, and those of one subject in their order.
 */
const SUBJECTS = 50;
const CHANGES = 40;
const server = new RestartableServer({ OMOI_WEBHOOK_PRIVATE_HOSTS: "true" });
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

test("every event is delivered, in the order of its subject, although the server is killed", async () => {
  const { data: org } = await server.api.organizations.create({ body: { name: "Burst" } });
  const params = { org_id: org.id };
  const roles: string[] = [];
  for (let index = 0; index < SUBJECTS; index += 1) {
    const body = { name: `role ${index}`, permissions: ["org:read"] };
    roles.push((await server.api.roles.create({ params, body })).data.id);
  }
  const { data: webhook } = await server.api.webhooks.create({
    params,
    body: { url: receiver.url, events: ["role.updated"] },
  });
  receiver.secret = webhook.secret as string;

  let isDown = false;
  /** Changes a role; a change that the killed server did not answer may have happened. */
  const change = async (role_id: string, description: string): Promise<void> => {
    for (;;) {
      try {
        await server.api.roles.update({ params: { ...params, role_id }, body: { description } });
        return;
      } catch (error) {
        // Not a broken connection.
        if (error instanceof ApiError && error.status !== 503) throw error;
        await vi.waitFor(() => expect(isDown).toBe(false), { timeout: 120_000, interval: 50 });
      }
    }
  };
  const burst = Promise.all(
    roles.map(async (role) => {
      for (let count = 0; count < CHANGES; count += 1) await change(role, String(count));
    }),
  );
  const total = SUBJECTS * CHANGES;
  for (const part of [0.3, 0.6]) {
    await vi.waitFor(() => expect(receiver.received.length).toBeGreaterThan(total * part), {
      timeout: 600_000,
      interval: 2,
    });
    isDown = true;
    await server.kill();
    await server.start();
    isDown = false;
  }
  await burst;

  const recorded = await server.query<{ id: string; subject_id: string }>(
    "select id, subject_id from events where type = 'role.updated' order by number",
  );
  expect(recorded.length).toBeGreaterThanOrEqual(total);
  const ids = () => new Set(receiver.received.map(({ id }) => id));
  await vi.waitFor(() => expect(ids().size).toBe(recorded.length), {
    timeout: 600_000,
    interval: 200,
  });
  expect(receiver.received.every(({ isVerified }) => isVerified)).toBe(true);
  for (const role of roles) {
    const received = receiver.received
      .filter(({ payload }) => payload.data.subject.id === role)
      .map(({ id }) => id);
    // A repeated delivery comes before the next event of its subject.
    const inOrder = received.filter((id, index) => id !== received[index - 1]);
    expect(inOrder).toEqual(
      recorded.filter(({ subject_id }) => subject_id === role).map(({ id }) => id),
    );
  }
  await vi.waitFor(
    async () => {
      const left = await server.query(
        "select id from webhook_deliveries where status <> 'delivered'",
      );
      expect(left).toEqual([]);
    },
    { timeout: 120_000, interval: 200 },
  );
}, 3_600_000);
