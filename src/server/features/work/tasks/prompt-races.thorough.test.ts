import { afterAll, beforeAll, expect, test, vi } from "vitest";
import type { Task } from "#shared/api/work/tasks.js";
import { ApiError } from "#shared/contract/client.js";
import { acpAgent } from "#test/support/fixtures/acp-agent.js";
import { eventsOf } from "#test/support/fixtures/session-events.js";
import { makeTaskProject, type TaskProject } from "#test/support/fixtures/tasks.js";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";

/** Prompts in the instant in which a task becomes done, or in which its program ends. */
const times = 6;
let app: TestApp;
let owner: TestPerson;
let tasks: TaskProject;
beforeAll(async () => {
  app = await startTestApp({ OMOI_SANDBOX: "required", OMOI_RUN_STOP_GRACE_SECONDS: "1" }, "real");
  owner = await app.person("Ada");
  tasks = await makeTaskProject(owner);
  const params = { org_id: tasks.orgId };
  await owner.api.organizations.update({ params, body: { max_concurrent_agents: times } });
});
afterAll(() => app.close());

vi.setConfig({ testTimeout: 900_000 });

const sessionOf = async (id: string): Promise<string> =>
  (await tasks.get(id)).attempts[0]?.session_id as string;

/** How often the turn of a prompt has ended, in all sessions of a task. */
async function turnsOf(sessions: readonly string[], text: string): Promise<string[]> {
  const ended: string[] = [];
  for (const session of new Set(sessions)) {
    let isOwn = false;
    for (const event of await eventsOf(app, owner, session)) {
      if (event.type === "prompt") isOwn = event.text === text;
      else if (event.type === "turn_end" && isOwn) ended.push(event.stop_reason);
    }
  }
  return ended;
}

const prompt = (id: string, text: string): Promise<unknown> =>
  owner.api.tasks.prompt({ params: { task_id: id }, body: { text } });

const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

test.each([
  [
    "marked as done",
    (id: string) => owner.api.tasks.update({ params: { task_id: id }, body: { status: "done" } }),
  ],
  ["merged", (id: string) => owner.api.tasks.merge({ params: { task_id: id } })],
] as const)(
  "a prompt to a task that was just %s opens it again, and gets its turn",
  async (_how, finish) => {
    const started: Task[] = [];
    for (let round = 0; round < times; round += 1)
      started.push(await tasks.create(`write ${round}.txt one`));
    for (const [round, { id }] of started.entries()) {
      await tasks.until(id, "in_review");
      const before = await sessionOf(id);
      await finish(id);
      // Its program is asked to end at about this time.
      await wait(round * 3);
      const text = `say again ${round}`;
      await prompt(id, text);
      await expect
        .poll(async () => turnsOf([before, await sessionOf(id)], text), { timeout: 120_000 })
        .toEqual(["end_turn"]);
      expect((await tasks.get(id)).status).not.toBe("done");
      await owner.api.tasks.delete({ params: { task_id: id } });
    }
  },
);

test.each(["load", "none"] as const)(
  "a prompt while the program ends is refused, or gets its turn (%s)",
  async (mode) => {
    for (let round = 0; round < times; round += 1) {
      const { id } = await tasks.create("say ready", { command: acpAgent(mode) });
      await tasks.until(id, "needs_you");
      const before = await sessionOf(id);
      await prompt(id, "crash");
      await wait(round * 40);
      const text = `say after ${round}`;
      const isSent = await prompt(id, text).then(
        () => true,
        (error: unknown) => {
          expect(error).toBeInstanceOf(ApiError);
          return false;
        },
      );
      const turns = async () => turnsOf([before, await sessionOf(id)], text);
      if (isSent) await expect.poll(turns, { timeout: 180_000 }).toEqual(["end_turn"]);
      else expect(await turns()).toEqual([]);
      await owner.api.tasks.delete({ params: { task_id: id } });
    }
  },
);
