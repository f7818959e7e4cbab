import { afterAll, beforeAll, expect, test, vi } from "vitest";
import type { Task } from "#shared/api/work/tasks.js";
import { acpAgent } from "../fixtures/acp-agent.js";
import { eventsOf } from "../fixtures/session-events.js";
import { CrashingServer } from "./crashing-server.js";

const server = new CrashingServer("checkout");

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

/**
 * Kills a server at effects of the one request that creates a task.
 * @param step effects between two kills; Infinity for one kill
 */
export function testTaskKills(first: number, step: number): void {
  beforeAll(() => server.open());
  afterAll(() => server.close());
  vi.setConfig({ testTimeout: 1_200_000 });

  test("a killed creation leaves a whole task or nothing, and sends the first prompt at most once", async () => {
    await server.stop();
    await server.startWithKillAt(first, "before");
    for (let [effect, round] = [first, 1]; ; effect += step, round += 1) {
      const body = `say number ${round}`;
      const isKilled = await server.runUntilKilled(() =>
        server.api.tasks.create({
          params: { project_id: server.project.id },
          body: { body, command: acpAgent("load") },
        }),
      );
      if (isKilled) {
        await server.startWithKillAt(effect + step, round % 2 === 1 ? "after" : "before");
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
      if (step === Infinity) return expect(isKilled).toBe(true);
      if (!isKilled) {
        expect(effect).toBeGreaterThan(fewestEffects);
        return;
      }
    }
  });
}
