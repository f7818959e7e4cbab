import { randomInt } from "node:crypto";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import type { Task } from "#shared/api/work/tasks.js";
import { acpAgent } from "../support/fixtures/acp-agent.js";
import { eventsOf } from "../support/fixtures/session-events.js";
import { CrashingServer } from "../support/crash/crashing-server.js";

/** A request for changes, interrupted at its effects in turn. */
const server = new CrashingServer("checkout");
beforeAll(() => server.open());
afterAll(() => server.close());
vi.setConfig({ testTimeout: 1_800_000 });

/** Effects between two kills; each run begins at another one. */
const STEP = 4;
/** Fewer would mean that the counter does not work. */
const fewestEffects = 10;

async function makeTask(): Promise<Task> {
  const { data: task } = await server.api.tasks.create({
    params: { project_id: server.project.id },
    body: { body: "write a.txt one", command: acpAgent("load") },
  });
  const params = { task_id: task.id };
  await expect
    .poll(async () => (await server.api.tasks.get({ params })).data.status, { timeout: 120_000 })
    .toBe("in_review");
  return task;
}

/** The prompts of the task's session that contain a text. */
async function promptsWith(id: string, text: string): Promise<number> {
  const { data: task } = await server.api.tasks.get({ params: { task_id: id } });
  const session = task.attempts[0]?.session_id ?? null;
  const events = session === null ? [] : await eventsOf(server, server, session);
  return events.filter((event) => event.type === "prompt" && event.text.includes(text)).length;
}

test("a server killed between a review and its prompt sends the prompt once", async () => {
  await server.stop();
  await server.start();
  let killed = 0;
  for (let [effect, round] = [1 + randomInt(STEP), 1]; ; effect += STEP, round += 1) {
    const task = await makeTask();
    const params = { task_id: task.id };
    const { data: changes } = await server.api.reviews.changes({ params });
    await server.stop();
    await server.startWithKillAt(effect, round % 2 === 1 ? "after" : "before");
    const body = `say review ${round} of ${task.id}`;
    const isKilled = await server.runUntilKilled(() =>
      server.api.reviews.publish({
        params,
        body: { verdict: "request_changes", body, commit_sha: changes.commit_sha },
      }),
    );
    if (isKilled) {
      killed += 1;
      await server.start();
    }
    const { data: reviews } = await server.api.reviews.list({ params });
    if (reviews.length === 0) {
      expect(isKilled).toBe(true);
      expect(await promptsWith(task.id, body)).toBe(0);
    } else {
      const read = async () => (await server.api.reviews.list({ params })).data[0]?.prompt;
      await expect.poll(read, { timeout: 240_000 }).toBe("delivered");
      await expect.poll(() => promptsWith(task.id, body), { timeout: 120_000 }).toBe(1);
      // What the watch sends again would come at its next look.
      await server.stop();
      await server.start();
      expect(await promptsWith(task.id, body)).toBe(1);
      expect(await server.api.reviews.list({ params })).toMatchObject({ data: [{}] });
    }
    await server.api.tasks.delete({ params });
    if (!isKilled) {
      expect(effect).toBeGreaterThan(fewestEffects);
      expect(killed).toBeGreaterThan(0);
      return;
    }
  }
});
