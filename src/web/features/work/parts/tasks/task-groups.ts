import type { Task } from "#shared/api/work/tasks.js";
import { presetTitles } from "#shared/execution/run-choices.js";
import { taskStatusNames, taskStatusOrder } from "#shared/work/task-words.js";
import type { TaskGrouping } from "../../../../paths/address-search.js";

export interface TaskGroup {
  name: string;
  rows: readonly Task[];
}

/** Groups tasks: by status in its order, else by name; tasks without a name of the kind come last. */
export function groupsOf(tasks: readonly Task[], by: TaskGrouping): TaskGroup[] {
  if (by === "status") {
    return taskStatusOrder.flatMap((status) => {
      const rows = tasks.filter((task) => task.status === status);
      return rows.length === 0 ? [] : [{ name: taskStatusNames[status], rows }];
    });
  }
  const groups = new Map<string, Task[]>();
  for (const task of tasks)
    for (const name of namesOf(task, by)) {
      const rows = groups.get(name);
      if (rows) rows.push(task);
      else groups.set(name, [task]);
    }
  const last = withoutName[by];
  return [...groups]
    .map(([name, rows]) => ({ name: name === "" ? last : name, rows, isLast: name === "" }))
    .toSorted(
      (left, right) =>
        Number(left.isLast) - Number(right.isLast) || left.name.localeCompare(right.name, "en"),
    )
    .map(({ name, rows }) => ({ name, rows }));
}

const withoutName = { owner: "No owner", label: "No label", program: "Not started" };

function namesOf(task: Task, by: Exclude<TaskGrouping, "status">): readonly string[] {
  switch (by) {
    case "owner":
      return [task.owner?.name ?? ""];
    case "label":
      return task.labels.length === 0 ? [""] : task.labels;
    default: {
      const programs = new Set(task.attempts.map(({ preset }) => presetTitles[preset]));
      return programs.size === 0 ? [""] : [...programs];
    }
  }
}
