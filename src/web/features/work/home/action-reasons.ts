import type { AttentionItem } from "#shared/api/work/overview.js";
import type { Permission } from "#shared/permissions.js";
import { approvalRefusal, checkingReason, type DenyReason } from "../../../access/deny-reason.js";

/** Returns why the viewer cannot use actions of a row, each reason once. */
export function actionReasons(item: AttentionItem, refusal: DenyReason): readonly string[] {
  const reasons =
    item.type === "merge_request"
      ? [approvalRefusal(refusal) ?? []].flat()
      : permissionsOf(item).flatMap((permission) => refusal(permission) ?? []);
  return [...new Set(reasons)].filter((reason) => reason !== checkingReason);
}

/** The permissions that the actions of a row need. */
function permissionsOf(
  item: Exclude<AttentionItem, { type: "merge_request" }>,
): readonly Permission[] {
  switch (item.type) {
    case "permission_request":
      return ["agent:run"];
    case "failed_run":
      return item.session_id === null && item.kind === "managed" ? ["agent:run"] : [];
    case "conflict":
      return ["agent:workspace:read"];
    case "budget":
      return ["org:limits:write"];
    case "api_key":
      return [];
    case "task":
      return ofTask[item.kind];
  }
}

const ofTask: Record<Extract<AttentionItem, { type: "task" }>["kind"], readonly Permission[]> = {
  question: ["project:task:write"],
  release: ["project:task:write"],
  no_changes: ["project:task:write"],
  missing_key: ["org:secrets:write", "project:task:write"],
  review: [],
  delivery_unknown: ["project:task:write"],
  failed: ["project:task:write"],
  stuck: ["project:task:write"],
  conflict: ["agent:workspace:read"],
  budget: ["org:limits:write", "project:task:write"],
};
