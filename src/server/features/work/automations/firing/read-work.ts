import type { Queryable } from "../../../../db/connection/connect.js";
import { findProjectForTask, readTasks } from "../../tasks/index.js";
import { findRows, type AutomationRow } from "../automations.queries.js";
import { chainsOfTasks, type FiringRow } from "../firings.queries.js";
import type { TemplateValues } from "../values.js";
import { valuesFrom, type AutomationDeps, type SeenEvent } from "./prepare.js";

/** A firing with what decides about it. */
export interface Work {
  automation: AutomationRow;
  firing: FiringRow;
  event: SeenEvent;
  values: TemplateValues;
  /** Undefined for one that was deleted. */
  project: Awaited<ReturnType<typeof findProjectForTask>>;
  /** Links of the chain of the task that the event belongs to. */
  before: number;
}

/** Reads the firings of an organization with their automations; those of deleted automations are left out. */
export async function readWork(
  tx: Queryable,
  deps: Pick<AutomationDeps, "publicUrl">,
  firings: readonly FiringRow[],
): Promise<Work[]> {
  const automations = await findRows(tx, distinct(firings, "automation_id"));
  const taskIds = [...new Set(firings.flatMap(({ event_task_id }) => event_task_id ?? []))];
  const tasks = await readTasks(tx, taskIds);
  const chains =
    taskIds.length === 0 ? new Map<string, number>() : await chainsOfTasks(tx, taskIds);
  const projects = new Map<string, Work["project"]>();
  for (const id of distinct(automations, "project_id")) {
    projects.set(id, await findProjectForTask(tx, id));
  }
  return firings.flatMap((firing) => {
    const automation = automations.find(({ id }) => id === firing.automation_id);
    if (automation === undefined) return [];
    const project = projects.get(automation.project_id);
    const event = seenEvent(firing);
    const task = tasks.find(({ id }) => id === event.taskId);
    const values = valuesFrom(deps, event, { task, project, projectId: automation.project_id });
    const before = event.taskId === null ? 0 : (chains.get(event.taskId) ?? 0);
    return [{ automation, firing, event, values, project, before }];
  });
}

function distinct<Key extends string>(rows: readonly Record<Key, string>[], key: Key): string[] {
  return [...new Set(rows.map((row) => row[key]))];
}

function seenEvent({ type, at, event, event_task_id }: FiringRow): SeenEvent {
  const { by, trust, values } = event;
  return { type, by, at, trust, values: values ?? {}, taskId: event_task_id };
}
