// Thorough: long chains of tasks that really run in sandboxes.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Automation, Firing, NewAutomation } from "#shared/api/work/automations.js";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import { acpAgent } from "#test/support/fixtures/acp-agent.js";
import { makeTaskProject, type TaskProject } from "#test/support/fixtures/tasks.js";

let app: TestApp;
let owner: TestPerson;
let world: TaskProject;

beforeAll(async () => {
  app = await startTestApp({ OMOI_SANDBOX: "required", OMOI_RUN_STOP_GRACE_SECONDS: "1" }, "real");
  owner = await app.person("Ada");
});
afterAll(() => app.close());
beforeEach(async () => {
  world = await makeTaskProject(owner);
});

const projectParams = () => ({ project_id: world.project.id });
const paramsOf = ({ id }: Pick<Automation, "id">) => ({ ...projectParams(), automation_id: id });
const hello = {
  type: "create_task",
  title: "Say hello",
  body: "say Hello?",
  preset: "custom",
  command: acpAgent("load"),
} as const;

async function make(more: Partial<NewAutomation>, person = owner) {
  const { data } = await person.api.automations.create({
    params: projectParams(),
    body: {
      name: "Nightly",
      triggers: [{ type: "schedule", cron: "0 3 * * *", timezone: "Europe/Berlin" }],
      action: hello,
      ...more,
    },
  });
  return data;
}
async function firingsOf(automation: Pick<Automation, "id">): Promise<Firing[]> {
  const { data } = await owner.api.automations.firings({ params: paramsOf(automation) });
  return data;
}
const run = async (automation: Automation): Promise<Firing> =>
  (await owner.api.automations.run({ params: paramsOf(automation), body: {} })).data;
async function untilDecided(automation: Automation, count = 1): Promise<Firing[]> {
  await expect
    .poll(async () => (await firingsOf(automation)).filter(({ decided_at }) => decided_at !== null))
    .toHaveLength(count);
  return firingsOf(automation);
}

describe("an automation", () => {
  test("skips, queues or replaces while its last task runs", async () => {
    const wait = { ...hello, body: "wait" };
    const skipping = await make({ action: wait });
    const first = await run(skipping);
    expect(first.decision).toBe("fired");
    expect(await run(skipping)).toMatchObject({
      decision: "skipped",
      reason: "The last one still runs.",
    });
    const queueing = await make({ action: wait, overlap: "queue" });
    const running = await run(queueing);
    expect(await run(queueing)).toMatchObject({ decision: "queued", task: null });
    const taskId = running.task?.id as string;
    await world.until(taskId, "working");
    await owner.api.tasks.stop({ params: { task_id: taskId } });
    await expect
      .poll(async () => (await firingsOf(queueing)).map(({ decision }) => decision))
      .toEqual(["fired", "fired"]);
    const replacing = await make({ action: wait, overlap: "replace" });
    const replaced = await run(replacing);
    await world.until(replaced.task?.id as string, "working");
    expect(await run(replacing)).toMatchObject({ decision: "fired" });
    expect((await world.get(replaced.task?.id as string)).status).toBe("open");
  });

  test("prompts the task that is done, in five links at most", async () => {
    const automation = await make({
      name: "Again",
      triggers: [{ type: "event", types: ["task.done"] }],
      action: { type: "prompt_task", text: "say Again {{task.title}}?" },
    });
    const task = await world.create("say Hello?");
    await world.until(task.id, "needs_you");
    for (let link = 1; link <= 5; link += 1) {
      await owner.api.tasks.update({ params: { task_id: task.id }, body: { status: "done" } });
      const firings = await untilDecided(automation, link);
      expect(firings[0]).toMatchObject({ decision: "fired", chain: link, task: { id: task.id } });
      await world.until(task.id, "needs_you");
    }
    await owner.api.tasks.update({ params: { task_id: task.id }, body: { status: "done" } });
    const [last] = await untilDecided(automation, 6);
    expect(last).toMatchObject({ decision: "refused", chain: 6 });
    expect(last?.reason).toContain("5 times");
  });
});
