import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import type { Project } from "#shared/api/code/projects.js";
import type { Task } from "#shared/api/work/tasks.js";
import {
  expectProblem,
  startTestApp,
  type TestApp,
  type TestPerson,
} from "#test/support/server/app.js";
import { makeTaskProject, type NewTask, type TaskProject } from "#test/support/fixtures/tasks.js";

let app: TestApp;
let owner: TestPerson;
let orgId: string;
let project: Project;
let create: TaskProject["create"];
let get: TaskProject["get"];
let until: TaskProject["until"];

beforeAll(async () => {
  app = await startTestApp({ OMOI_SANDBOX: "required", OMOI_RUN_STOP_GRACE_SECONDS: "1" }, "real");
  owner = await app.person("Ada");
});
afterAll(() => app.close());
beforeEach(async () => {
  ({ orgId, project, create, get, until } = await makeTaskProject(owner));
});

const prompt = async (id: string, text: string): Promise<Task> =>
  (await owner.api.tasks.prompt({ params: { task_id: id }, body: { text } })).data;

async function agentsWithTask(): Promise<string[]> {
  const { data } = await owner.api.agents.list({ query: { organization_id: orgId } });
  return data.flatMap(({ name, task }) => (task === null ? [] : [name]));
}

const attemptOf = (task: Task, index = 0): Task["attempts"][number] =>
  task.attempts[index] as Task["attempts"][number];

test("one call creates the task, its agent, workspace and session, and the work ends merged", async () => {
  const made = await create("say Should refunds round the same way?", {
    labels: ["money"],
    priority: "high",
  });
  expect(made).toMatchObject({
    number: 1,
    title: "say Should refunds round the same way?",
    labels: ["money"],
    priority: "high",
    owner: { id: owner.id },
    source: { kind: "person" },
  });
  const asks = await until(made.id, "needs_you");
  expect(asks.attention).toMatchObject({
    kind: "question",
    summary: "Should refunds round the same way?",
    attempt_id: attemptOf(asks).id,
    link: `/tasks/${made.id}`,
  });
  expect(attemptOf(asks).agent_name).toBe("say-should-refunds-round-the-same-way-1");
  expect(asks.actions.prompt.allowed).toBe(true);

  await prompt(made.id, "tool");
  const ready = await until(made.id, "in_review");
  expect(ready.attention).toMatchObject({ kind: "review" });
  expect(attemptOf(ready)).toMatchObject({
    status: "ready",
    changes: { files: 1, added: 1, removed: 1 },
  });
  expect(ready.actions.merge).toEqual({ allowed: true, reason: null });

  const { data: done } = await owner.api.tasks.merge({ params: { task_id: made.id } });
  expect(done).toMatchObject({ status: "done", attention: null });
  expect(done.finished_at).not.toBeNull();
  expect(attemptOf(done)).toMatchObject({ status: "merged", changes: { files: 1 } });
  // Its program holds no place of the organization any more, and takes up its session again.
  await expect.poll(async () => attemptOf(await get(made.id)).ended_at).not.toBeNull();
  await prompt(made.id, "say Anything else?");
  await until(made.id, "needs_you");
});

test("a program that crashes fails the task, and a retry starts it again", async () => {
  const { id } = await create("crash");
  const failed = await until(id, "failed");
  expect(failed.attention).toMatchObject({ kind: "failed" });
  expect(failed.actions.retry.allowed).toBe(true);
  await owner.api.tasks.retry({ params: { task_id: id } });
  await until(id, "needs_you");
  const { data } = await owner.api.agentSessions.list({
    params: { agent_id: attemptOf(failed).agent_id },
  });
  expect(data).toHaveLength(1);
});

test("attempts are compared, and one is chosen", async () => {
  const { id } = await create("tool", { attempts: 2 });
  const ready = await until(id, "in_review");
  expect(ready.attempts.map(({ number }) => number)).toEqual([1, 2]);
  expect(ready.branch).toBeNull();
  await expectProblem(owner.api.tasks.merge({ params: { task_id: id } }), 409, "no_attempt");
  await expect
    .poll(async () => (await get(id)).attempts.map(({ status }) => status))
    .toEqual(["ready", "ready"]);
  const { data: compared } = await owner.api.tasks.compare({ params: { task_id: id } });
  expect(compared.attempts.map(({ paths, paths_only_here }) => [paths, paths_only_here])).toEqual([
    [["a.txt"], []],
    [["a.txt"], []],
  ]);
  const [first, second] = ready.attempts.map((attempt) => attempt.id) as [string, string];
  const choose = (attempt_id: string) =>
    owner.api.tasks.choose({ params: { task_id: id, attempt_id } });
  const results = await Promise.allSettled([choose(first), choose(second)]);
  expect(results.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
  const chosen = await get(id);
  expect(chosen.chosen_attempt_id).not.toBeNull();
  expect(chosen.attempts.map(({ status }) => status).toSorted()).toEqual(["archived", "ready"]);
  const archived = chosen.attempts.find(({ status }) => status === "archived");
  await expectProblem(choose(archived?.id as string), 409, "attempt_chosen");
  await expectProblem(
    owner.api.tasks.prompt({
      params: { task_id: id },
      body: { text: "x", attempt_id: archived?.id },
    }),
    409,
    "attempt_archived",
  );
});

test("a start that is refused leaves nothing", async () => {
  const refused = create("say hello", { command: undefined, preset: "gemini" });
  await expectProblem(refused, 409, "program_missing");
  const { data: tasks } = await owner.api.tasks.list({ params: { project_id: project.id } });
  expect(tasks).toEqual([]);
  expect(await agentsWithTask()).toEqual([]);
});

test("cancellation shows what is lost, stops and terminates", async () => {
  const { id } = await create("tool");
  await until(id, "in_review");
  const remove = (preview: "true" | undefined) =>
    owner.api.tasks.delete({
      params: { task_id: id },
      query: preview === undefined ? {} : { preview },
    });
  const { data: loss } = await remove("true");
  expect(loss).toMatchObject({
    agents: ["tool-1"],
    unmerged: [{ changes: { files: 1, added: 1, removed: 1 } }],
  });
  expect((await get(id)).status).toBe("in_review");
  await remove(undefined);
  expect(await get(id)).toMatchObject({ status: "cancelled", attention: null });
  expect(await agentsWithTask()).toEqual([]);
  await expectProblem(
    owner.api.tasks.prompt({ params: { task_id: id }, body: { text: "x" } }),
    409,
    "task_finished",
  );
  await expectProblem(owner.api.tasks.retry({ params: { task_id: id } }), 409, "task_finished");
});

test("lists are filtered, searched and sorted, page by page", async () => {
  const open = await create("Fix the rounding", { start: false, priority: "urgent" });
  await create("Größe ändern", { start: false, labels: ["ui"] });
  await create("端数処理を直す", { start: false, priority: "low" });
  await owner.api.tasks.update({ params: { task_id: open.id }, body: { status: "done" } });
  const list = async (
    query: NonNullable<Parameters<TestPerson["api"]["tasks"]["list"]>[0]["query"]>,
  ) =>
    (await owner.api.tasks.list({ params: { project_id: project.id }, query })).data.map(
      ({ number }) => number,
    );
  expect(await list({})).toEqual([3, 2, 1]);
  expect(await list({ status: "unfinished" })).toEqual([3, 2]);
  expect(await list({ status: "done,cancelled" })).toEqual([1]);
  expect(await list({ label: "ui" })).toEqual([2]);
  expect(await list({ q: "größe" })).toEqual([2]);
  expect(await list({ q: "端数" })).toEqual([3]);
  expect(await list({ q: "#3" })).toEqual([3]);
  expect(await list({ q: "rounding the" })).toEqual([1]);
  expect(await list({ q: "ronuding" })).toEqual([1]);
  expect(await list({ q: "grosse andern" })).toEqual([2]);
  expect(await list({ q: "ronuding", status: "unfinished" })).toEqual([]);
  expect(await list({ q: "rounding 端数" })).toEqual([]);
  expect(await list({ q: "100%" })).toEqual([]);
  expect(await list({ sort: "priority" })).toEqual([1, 2, 3]);
  expect(await list({ mine: "true" })).toEqual([3, 2, 1]);
  for (const sort of ["number", "created_at", "updated_at", "priority", "urgency"] as const) {
    const all: number[] = [];
    let cursor: string | undefined;
    do {
      const { data, headers } = await owner.api.tasks.listAll({
        params: { org_id: orgId },
        query: { limit: 1, sort, ...(cursor !== undefined && { cursor }) },
      });
      all.push(...data.map(({ number }) => number));
      cursor = /cursor=([^&>]+)/.exec(headers.get("link") ?? "")?.[1];
    } while (cursor !== undefined);
    expect(all.toSorted((a, b) => a - b)).toEqual([1, 2, 3]);
  }
});

test("a task does not wait for one that waits for it", async () => {
  const first = await create("Sums", { start: false });
  const second = await create("Totals", { start: false, depends_on: [first.id] });
  await expectProblem(
    owner.api.tasks.update({ params: { task_id: first.id }, body: { depends_on: [second.id] } }),
    422,
    "task_cycle",
  );
});

test("invalid tasks are refused with the field", async () => {
  const refuse = async (body: string, more: Partial<NewTask>, field: string): Promise<void> => {
    const problem = await expectProblem(create(body, more), 422, "validation_failed");
    expect(problem.errors?.map(({ loc }) => loc.at(-1))).toContain(field);
  };
  await refuse(" \n ", {}, "body");
  await refuse("x".repeat(256 * 1024), {}, "body");
  await refuse("x", { owner: project.id }, "owner");
  await refuse("x", { depends_on: [project.id] }, "depends_on");
  await refuse("x", { preset: "codex" }, "command");
  await refuse("x", { command: undefined, preset: "custom" }, "command");
  await refuse("x", { model: "m" }, "model");
  const rtl = await create("\u202eevil \u0301\u0301\u0301", { start: false });
  expect(rtl.title).toContain("evil");
});
