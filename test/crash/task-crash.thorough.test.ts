import { afterAll, beforeAll, expect, test, vi } from "vitest";
import type { Task } from "#shared/api/work/tasks.js";
import { acpAgent } from "../support/fixtures/acp-agent.js";
import { eventsOf } from "../support/fixtures/session-events.js";
import { CrashingServer } from "../support/crash/crashing-server.js";
import { isThorough } from "../support/thorough.js";

/** The one request that creates a task, interrupted at some of its effects; with THOROUGH=1 at every one. */
const server = new CrashingServer("checkout");
beforeAll(() => server.open());
afterAll(() => server.close());
vi.setConfig({ testTimeout: isThorough ? 1_800_000 : 300_000 });

const STEP = isThorough ? 1 : 23;
/** Fewer would mean that the counter does not work. */
const fewestEffects = 10;

async function find(body: string): Promise<Task | undefined> {
  const { data } = await server.api.tasks.list({ params: { project_id: server.project.id } });
  return data.find((task) => task.body === body);
}

const promptsOf = async (task: Task): Promise<string[]> => {
  const id = task.attempts[0]?.session_id ?? null;
  const events = id === null ? [] : await eventsOf(server, server, id);
  return events.flatMap((event) => (event.type === "prompt" ? event.text : []));
};

test("a killed creation leaves a whole task or nothing, and sends the first prompt at most once", async () => {
  await server.stop();
  await server.startWithKillAt(1, "before");
  for (let [effect, round] = [1, 1]; ; effect += STEP, round += 1) {
    const body = `say number ${round}`;
    const isKilled = await server.runUntilKilled(() =>
      server.api.tasks.create({
        params: { project_id: server.project.id },
        body: { body, command: acpAgent("load") },
      }),
    );
    if (isKilled) {
      await server.startWithKillAt(effect + STEP, round % 2 === 1 ? "after" : "before");
    }
    const made = await find(body);
    if (made) {
      await expect.poll(async () => (await find(body))?.status).toBe("needs_you");
      const task = (await find(body)) as Task;
      const prompts = await promptsOf(task);
      if (task.attention?.kind === "delivery_unknown") {
        expect(prompts.length).toBeLessThanOrEqual(1);
      } else {
        expect([task.attention?.kind, prompts]).toEqual(["no_changes", [body]]);
      }
      await server.api.tasks.delete({ params: { task_id: task.id } });
    } else {
      const { data: agents } = await server.api.agents.list();
      expect(agents.filter(({ task }) => task?.text === body)).toEqual([]);
    }
    await server.verifyConsistency();
    if (!isKilled) {
      expect(effect).toBeGreaterThan(fewestEffects);
      return;
    }
  }
});
