import { expect, vi } from "vitest";
import { systemRoleIds } from "#server/db/migrate.js";
import type { AttentionItem } from "#shared/api/work/overview.js";
import type { AttentionKind, Task, TaskStatus } from "#shared/api/work/tasks.js";
import { taskPriorities as priorities, type taskSorts } from "#shared/api/work/tasks.js";
import { makeTaskProject, type TaskProject } from "../fixtures/tasks.js";
import type { TestPerson } from "../server/app.js";
import { groupOf, mainOf, type ModelTask, statusOf, TaskModel } from "./task-model.js";

/** The people of a random test: the observer owns the organization and deals with nothing. */
export interface People {
  observer: TestPerson;
  people: readonly [TestPerson, TestPerson];
}

/** A list of tasks, and its reader. */
export interface ListChoice {
  by: number;
  filter: readonly string[];
  status: readonly (TaskStatus | "unfinished")[];
  label: string;
  attention: AttentionKind | "any";
  sort: (typeof taskSorts)[number];
}

/** A project on the server, and the model beside it. */
export interface World extends People {
  project: TaskProject;
  model: TaskModel;
  /** The tasks as last read, by number. */
  read: Map<number, Task>;
  /** The rows of Home that each person has dealt with or snoozed. */
  dismissed: [Set<string>, Set<string>];
  prompts: number;
  history: string[];
}

export async function makeWorld({ observer, people }: People): Promise<World> {
  const project = await makeTaskProject(observer);
  const params = { org_id: project.orgId };
  await observer.api.organizations.update({ params, body: { max_concurrent_agents: 100 } });
  for (const { id } of people) {
    const body = { user_id: id, role_id: systemRoleIds.member };
    await observer.api.members.add({ params, body });
  }
  const dismissed: World["dismissed"] = [new Set(), new Set()];
  return {
    observer,
    people,
    project,
    model: new TaskModel(),
    read: new Map(),
    dismissed,
    prompts: 0,
    history: [],
  };
}

/** Ends what still runs. */
export async function endWorld({ observer, model, read }: World): Promise<void> {
  for (const { number, resolution } of model.tasks) {
    const task = read.get(number);
    if (resolution !== null || !task) continue;
    await observer.api.tasks.delete({ params: { task_id: task.id } });
  }
}

/** The rows of a person's Home. */
export async function home({ api }: TestPerson, org_id: string): Promise<AttentionItem[]> {
  return (await api.overview.attention({ params: { org_id }, query: { limit: 100 } })).data;
}

/**
 * Waits until the server has caught up with the model in everything. A turn that ends as the one before lets the server
 * agree for a moment before it begins, so that one agreement in a part says nothing of the others.
 */
export async function agree(world: World, choice: ListChoice): Promise<void> {
  const { observer, model, project, read } = world;
  const expected = model.tasks.map((task) => viewOfModel(model, task));
  await vi.waitFor(
    async () => {
      const { data } = await observer.api.tasks.list({
        params: { project_id: project.project.id },
        query: { limit: 100 },
      });
      for (const task of data) read.set(task.number, task);
      expect(data.toReversed().map((task) => viewOf(world, task))).toEqual(expected);
      await compareHome(world);
      await compareList(world, choice);
    },
    { timeout: 120_000, interval: 200 },
  );
}

/** What both sides tell of a task. */
function viewOf({ read, model }: World, task: Task) {
  const numbers = new Map([...read.values()].map(({ id, number }) => [id, number]));
  const isAllowed = ({ allowed }: { allowed: boolean }): boolean => allowed;
  const { prompt, stop, retry, attempt, cancel } = task.actions;
  return {
    number: task.number,
    status: task.status,
    attention: task.attention?.kind ?? null,
    owner: task.owner?.id,
    assignees: task.assignees.flatMap(({ type, id }) => (type === "person" ? [id] : [])).toSorted(),
    labels: task.labels,
    priority: task.priority,
    dependsOn: task.depends_on.map((id) => numbers.get(id) ?? 0).toSorted(byNumber),
    attempts: task.attempts.map(({ status }) => status),
    // Programs of finished tasks end a moment later.
    ends: task.attempts.map(({ ended_at, started_at }, index) => {
      const isAlive = model.get(task.number)?.attempts[index]?.isAlive === true;
      return isAlive || started_at === null || ended_at !== null;
    }),
    chosen: task.attempts.find(({ id }) => id === task.chosen_attempt_id)?.number ?? null,
    isFinished: task.finished_at !== null,
    hasBranch: task.branch !== null,
    actions: {
      prompt: isAllowed(prompt),
      stop: isAllowed(stop),
      retry: isAllowed(retry),
      attempt: isAllowed(attempt),
      cancel: isAllowed(cancel),
    },
  };
}

function viewOfModel(model: TaskModel, task: ModelTask): ReturnType<typeof viewOf> {
  return {
    number: task.number,
    status: model.status(task),
    attention: model.attention(task),
    owner: task.owner,
    assignees: task.assignees.toSorted(),
    labels: task.labels,
    priority: task.priority,
    dependsOn: task.dependsOn.toSorted(byNumber),
    attempts: task.attempts.map(statusOf),
    ends: task.attempts.map(() => true),
    chosen: task.chosen,
    isFinished: task.resolution !== null,
    hasBranch: task.chosen !== null || mainOf(task) !== undefined,
    actions: model.actions(task),
  };
}

/** Compares everybody's rows, and theirs without what they have dealt with. */
async function compareHome({
  observer,
  people,
  project,
  model,
  dismissed,
  read,
}: World): Promise<void> {
  const rows = await home(observer, project.orgId);
  const shown = rows.map((row) => {
    const kind = row.type === "permission_request" ? "permission" : "kind" in row ? row.kind : "";
    return `#${row.task_number} ${row.type === "failed_run" ? "failed run" : kind}`;
  });
  expect(shown.toSorted()).toEqual(model.rows().toSorted());
  for (const [index, row] of rows.entries()) {
    const next = rows[index + 1];
    if (next) expect(row.urgency).toBeLessThanOrEqual(next.urgency);
    if (next?.urgency === row.urgency) expect(row.at >= next.at).toBe(true);
    if (row.type !== "task") continue;
    const { attention, owner } = read.get(row.task_number as number) as Task;
    expect(row).toMatchObject({ at: attention?.since, summary: attention?.summary });
    expect(row.task_owner_id).toBe(owner?.id);
  }
  for (const [index, person] of people.entries()) {
    const own = await home(person, project.orgId);
    const left = rows.filter(({ key }) => !dismissed[index as 0 | 1].has(key));
    expect(own.map(({ key }) => key)).toEqual(left.map(({ key }) => key));
  }
}

/** Reads a filtered list in small pages. */
async function compareList(
  { people, project, model, read }: World,
  choice: ListChoice,
): Promise<void> {
  const { filter, sort, by, label } = choice;
  const person = people[by] as TestPerson;
  const query = {
    sort,
    limit: 2,
    ...(filter.includes("status") && { status: choice.status.join(",") }),
    ...(filter.includes("mine") && { mine: "true" as const }),
    ...(filter.includes("label") && { label }),
    ...(filter.includes("attention") && { attention: choice.attention }),
  };
  const found: Task[] = [];
  let cursor: string | undefined;
  do {
    const { data, headers } = await person.api.tasks.listAll({
      params: { org_id: project.orgId },
      query: { ...query, ...(cursor !== undefined && { cursor }) },
    });
    found.push(...data);
    cursor = /cursor=([^&>]+)/.exec(headers.get("link") ?? "")?.[1];
  } while (cursor !== undefined);
  const expected = model.tasks.filter((task) => {
    const status = model.status(task);
    const kind = model.attention(task);
    const isUnfinished = task.resolution === null && choice.status.includes("unfinished");
    return (
      (!filter.includes("status") || choice.status.includes(status) || isUnfinished) &&
      (!filter.includes("mine") || task.owner === person.id) &&
      (!filter.includes("label") || task.labels.includes(label)) &&
      (!filter.includes("attention") ||
        (choice.attention === "any" ? kind !== null : kind === choice.attention))
    );
  });
  const numbers = found.map(({ number }) => number);
  expect([query, numbers.toSorted(byNumber)]).toEqual([
    query,
    expected.map(({ number }) => number),
  ]);
  const rank = (task: Task): number => {
    if (sort === "priority") return -priorities.indexOf(task.priority);
    if (sort === "urgency") return groupOf(task.attention?.kind ?? null);
    if (sort === "updated_at") return -Date.parse((read.get(task.number) as Task).updated_at);
    return -task.number;
  };
  const ranks = found.map(rank);
  expect([sort, ranks]).toEqual([sort, ranks.toSorted((a, b) => a - b)]);
}

export const readOf = ({ read }: World, number: number): Task => read.get(number) as Task;
export const idOf = (world: World, number: number): string => readOf(world, number).id;

const byNumber = (one: number, other: number): number => one - other;
