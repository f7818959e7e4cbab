// Thorough: more ways of a task, each with runs of programs.
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import type { Task } from "#shared/api/work/tasks.js";
import {
  expectProblem,
  startTestApp,
  type TestApp,
  type TestPerson,
} from "#test/support/server/app.js";
import { makeTaskProject, type TaskProject } from "#test/support/fixtures/tasks.js";

let app: TestApp;
let owner: TestPerson;
let create: TaskProject["create"];
let until: TaskProject["until"];

beforeAll(async () => {
  app = await startTestApp({ OMOI_SANDBOX: "required", OMOI_RUN_STOP_GRACE_SECONDS: "1" }, "real");
  owner = await app.person("Ada");
});
afterAll(() => app.close());
beforeEach(async () => {
  ({ create, until } = await makeTaskProject(owner));
});

const attemptOf = (task: Task, index = 0): Task["attempts"][number] =>
  task.attempts[index] as Task["attempts"][number];

test("a turn without changes and without a question needs a person", async () => {
  const { id } = await create("say All is well.");
  const task = await until(id, "needs_you");
  expect(task.attention).toMatchObject({ kind: "no_changes", summary: "All is well." });
});

test("a request for a permission is shown, and a stop leaves the task open", async () => {
  const { id } = await create("ask");
  const task = await until(id, "needs_you");
  expect(task.attention).toMatchObject({ kind: "permission", summary: "Delete everything 0" });
  const { data: stopped } = await owner.api.tasks.stop({ params: { task_id: id } });
  expect(stopped).toMatchObject({ status: "open", attention: null });
  expect(attemptOf(stopped).status).toBe("stopped");
  const { data: again } = await owner.api.tasks.retry({ params: { task_id: id } });
  expect(["working", "needs_you"]).toContain(again.status);
});

test("a task waits for what it depends on, and then starts by itself", async () => {
  const first = await create("tool");
  const second = await create("say Hello?", { depends_on: [first.id] });
  expect(second).toMatchObject({ status: "waiting", attempts: [], depends_on: [first.id] });
  await expectProblem(
    owner.api.tasks.update({ params: { task_id: first.id }, body: { depends_on: [second.id] } }),
    422,
    "task_cycle",
  );
  await until(first.id, "in_review");
  await owner.api.tasks.merge({ params: { task_id: first.id } });
  await until(second.id, "needs_you");
});
