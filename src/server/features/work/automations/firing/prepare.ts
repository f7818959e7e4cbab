import { randomBytes } from "node:crypto";
import type { Queryable } from "../../../../db/connection/connect.js";
import type { Database } from "../../../../db/connection/connect.js";
import type { RunDeps } from "../../../execution/runs/start.js";
import { findProjectForTask, readTasks } from "../../tasks/index.js";
import type { AutomationRow } from "../automations.queries.js";
import { fillLine, fillPrompt, type TemplateValues } from "../values.js";

export interface AutomationDeps {
  db: Database;
  runs: RunDeps;
  publicUrl: () => string;
  log: RunDeps["log"];
}

/** An event as an automation sees it. */
export interface SeenEvent {
  type: string;
  by: string | null;
  at: string;
  trust: "trusted" | "untrusted";
  values: Record<string, unknown>;
  taskId: string | null;
}

/** Reads what the texts and the filter of an automation see of an event. */
export async function valuesOf(
  tx: Queryable,
  { publicUrl }: Pick<AutomationDeps, "publicUrl">,
  { project_id }: Pick<AutomationRow, "project_id">,
  { type, by, at, values, taskId }: SeenEvent,
): Promise<TemplateValues> {
  const [task] = taskId === null ? [] : await readTasks(tx, [taskId]);
  const project = await findProjectForTask(tx, project_id);
  const event = { type, by, at, values, taskId };
  return valuesFrom({ publicUrl }, event, { task, project, projectId: project_id });
}

/** Like `valuesOf`, with what was read before. */
export function valuesFrom(
  { publicUrl }: Pick<AutomationDeps, "publicUrl">,
  { type, by, at, values }: Omit<SeenEvent, "trust">,
  of: {
    task: { id: string; project_id: string; number: number; title: string } | undefined;
    project: { name: string; path: string } | undefined;
    projectId: string;
  },
): TemplateValues {
  const { task, project, projectId } = of;
  return {
    event: { ...values, type, by, ...(type === "schedule" && { scheduled_at: at }) },
    task:
      task?.project_id === projectId
        ? { number: task.number, title: task.title, url: `${publicUrl()}/tasks/${task.id}` }
        : null,
    project: { name: project?.name ?? "", path: project?.path ?? "" },
    now: new Date().toISOString(),
  };
}

/** Maximum characters of a title. */
const MAX_TITLE = 120;

/** Fills the texts of an action in. */
export function fillAction(
  { action }: Pick<AutomationRow, "action">,
  values: TemplateValues,
  { trust }: Pick<SeenEvent, "trust">,
): { title: string | null; prompt: string } {
  const marks = { isUntrusted: trust === "untrusted", mark: randomBytes(4).toString("hex") };
  if (action.type === "run_check") return { title: null, prompt: "" };
  if (action.type === "prompt_task") {
    return { title: null, prompt: fillPrompt(action.text, values, marks) };
  }
  const line = fillLine(action.title, values);
  const title = line.length > MAX_TITLE ? `${line.slice(0, MAX_TITLE - 1)}…` : line;
  return {
    title: title === "" ? "Untitled" : title,
    prompt: fillPrompt(action.body, values, marks),
  };
}
