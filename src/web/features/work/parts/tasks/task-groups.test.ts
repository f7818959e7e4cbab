import { expect, test } from "vitest";
import type { Task } from "#shared/api/work/tasks.js";
import { groupsOf } from "./task-groups.js";

const task = (number: number, part: Partial<Task>): Task =>
  ({ number, status: "open", labels: [], owner: null, attempts: [], ...part }) as unknown as Task;
const ofGroups = (tasks: readonly Task[], by: Parameters<typeof groupsOf>[1]) =>
  groupsOf(tasks, by).map(({ name, rows }) => [name, rows.map(({ number }) => number)]);

test("tasks that need a person come first, finished ones last", () => {
  const tasks = [
    task(1, { status: "done" }),
    task(2, { status: "working" }),
    task(3, { status: "needs_you" }),
    task(4, { status: "working" }),
  ];
  expect(ofGroups(tasks, "status")).toEqual([
    ["Needs you", [3]],
    ["Working", [2, 4]],
    ["Done", [1]],
  ]);
});

test("a task is in the group of each of its labels; those without one come last", () => {
  const tasks = [task(1, {}), task(2, { labels: ["b", "a"] }), task(3, { labels: ["b"] })];
  expect(ofGroups(tasks, "label")).toEqual([
    ["a", [2]],
    ["b", [2, 3]],
    ["No label", [1]],
  ]);
});

test("owners and programs have groups, too", () => {
  const attempt = { preset: "codex" } as Task["attempts"][number];
  const tasks = [
    task(1, { owner: { id: "1", name: "Zoe" } }),
    task(2, { owner: { id: "2", name: "Ada" }, attempts: [attempt, attempt] }),
  ];
  expect(ofGroups(tasks, "owner")).toEqual([
    ["Ada", [2]],
    ["Zoe", [1]],
  ]);
  expect(ofGroups(tasks, "program")).toEqual([
    ["Codex", [2]],
    ["Not started", [1]],
  ]);
});
