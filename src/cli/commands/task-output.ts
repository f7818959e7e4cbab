/** Tasks and their attempts as text. */
import type { Attempt, Task } from "#shared/api/work/tasks.js";
import { type Format, printItem, printRows, type Row, writeLine } from "../output/print.js";
import { shownSeconds } from "../output/values.js";

/** Prints a task with a table of its attempts. */
export function printTask(item: Row, format: Format): void {
  if (format.json === true || format.quiet === true) return printItem(item, format);
  const task = item as Task;
  const { attention } = task;
  const people = task.assignees.flatMap(({ type, name }) => (type === "person" ? [name] : []));
  printItem(
    {
      task: `#${task.number} ${task.title}`,
      status: task.status,
      needs_you: attention && textOf(attention),
      project: task.project_name,
      owner: task.owner?.name,
      ...(people.length > 0 && { assignees: people }),
      ...(task.labels.length > 0 && { labels: task.labels }),
      ...(task.priority !== "normal" && { priority: task.priority }),
      ...(task.depends_on.length > 0 && { depends_on: task.depends_on }),
      source: task.source.url,
      branch: task.branch,
      cost_usd: rounded(task.cost_usd),
      created_at: task.created_at,
      finished_at: task.finished_at,
      id: task.id,
    },
    {},
  );
  if (task.attempts.length === 0) return;
  writeLine("");
  printRows(
    task.attempts.map((attempt) => ({
      attempt: nameOf(attempt, task),
      status: attempt.status,
      agent: attempt.agent_name,
      program: programOf(attempt),
      changes: changesOf(attempt),
      merge: attempt.merge_request?.status.replaceAll("_", " "),
      detail: attempt.detail ?? attempt.merge_request?.reason,
    })),
    ["attempt", "status", "agent", "program", "changes", "merge", "detail"],
    {},
  );
}

/** Why a task needs a person: "question: Should refunds round the same way?". */
function textOf({ kind, summary }: NonNullable<Task["attention"]>): string {
  const reason = kind.replaceAll("_", " ");
  return summary === "" ? reason : `${reason}: ${summary}`;
}

/** The number of an attempt; a star marks the chosen one. */
export const nameOf = ({ id, number }: Attempt, { chosen_attempt_id }: Task): string =>
  `${number}${id === chosen_attempt_id ? "*" : ""}`;

export const programOf = ({ preset, model }: Attempt): string =>
  model === null ? preset : `${preset} ${model}`;

/** "3 files +47 -12"; null while it is not known. */
export function changesOf({ changes }: Pick<Attempt, "changes">): string | null {
  if (changes === null) return null;
  const { files, added, removed } = changes;
  return `${files} ${files === 1 ? "file" : "files"} +${added} -${removed}`;
}

/** The time from start to end, or until now. */
export function durationOf({ started_at, ended_at }: Attempt): string | null {
  if (started_at === null) return null;
  const end = ended_at === null ? Date.now() : Date.parse(ended_at);
  return shownSeconds((end - Date.parse(started_at)) / 1000);
}

/** US dollars in whole cents. */
export const rounded = (dollars: number): number => Math.round(dollars * 100) / 100;
