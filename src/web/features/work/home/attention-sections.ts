import type { AttentionItem } from "#shared/api/work/overview.js";

/** The sections, the most urgent first. */
export const sections = ["asks", "review", "failed", "conflicts", "limits"] as const;
type SectionName = (typeof sections)[number];

export const sectionTitles: Record<SectionName, string> = {
  asks: "Asks you",
  review: "Ready for review",
  failed: "Failed or stuck",
  conflicts: "Conflicts",
  limits: "Limits",
};

type ItemType = AttentionItem["type"];
export type ItemOf<Type extends ItemType> = Extract<AttentionItem, { type: Type }>;
type TaskKind = ItemOf<"task">["kind"];

const ofTypes: Record<Exclude<ItemType, "task">, SectionName> = {
  permission_request: "asks",
  merge_request: "review",
  failed_run: "failed",
  conflict: "conflicts",
  budget: "limits",
  api_key: "limits",
};
const ofKinds: Record<TaskKind, SectionName> = {
  question: "asks",
  release: "asks",
  missing_key: "asks",
  delivery_unknown: "asks",
  review: "review",
  no_changes: "review",
  failed: "failed",
  stuck: "failed",
  conflict: "conflicts",
  budget: "limits",
};

export const sectionOf = (item: AttentionItem): SectionName =>
  item.type === "task" ? ofKinds[item.kind] : ofTypes[item.type];

/** Identifies the row of an item. The key of a conflict changes with the agents that have it. */
export const rowOf = (item: AttentionItem): string =>
  item.type === "conflict" ? `conflict:${item.project_id}:${item.path}` : item.key;

interface OfTask {
  task_id: string | null;
  task_owner_id: string | null;
}

/** Whether work is for a user: of a task that the user owns, or of no task. */
export const isWorkOf = (userId: string | undefined, { task_id, task_owner_id }: OfTask): boolean =>
  task_id === null || task_owner_id === userId;

/** The same for an item. The owner of a task cannot approve its merge: that request is for the others. */
export function isItemOf(userId: string | undefined, item: AttentionItem): boolean {
  if (item.type === "merge_request") return true;
  if (item.type === "conflict") return item.agents.some((agent) => isWorkOf(userId, agent));
  return isWorkOf(userId, item);
}
