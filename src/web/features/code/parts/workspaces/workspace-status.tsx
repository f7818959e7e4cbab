import type { ReactElement } from "react";
import type { Workspace } from "#shared/api/code/workspaces.js";
import { StatusDot, type Tone } from "../../../../ui/feedback/badge.js";

const states: Record<Workspace["status"], readonly [Tone, string]> = {
  creating: ["accent", "Creating"],
  active: ["good", "Active"],
  merging: ["accent", "Merging"],
  archived: ["neutral", "Archived"],
  failed: ["bad", "Failed"],
};

/** Whether the workspace is usable; it stays so while its branch is being merged. */
export function isUsable({ status }: Pick<Workspace, "status">): boolean {
  return status === "active" || status === "merging";
}

export function WorkspaceStatus({ status }: { status: Workspace["status"] }): ReactElement {
  const [tone, text] = states[status];
  return <StatusDot tone={tone}>{text}</StatusDot>;
}
