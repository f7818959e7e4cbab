import type { Merge } from "#shared/api/code/merges.js";
import { visible } from "../../../../ui/text/plain-text.js";

/** The operation that moved the branch. */
export const operationLabels: Record<Merge["kind"], string> = {
  merge: "Merge",
  revert: "Revert",
  restore: "Restore",
  sync: "Sync",
};

type Winner = Merge["resolutions"][number]["winner"];

type Sided = Pick<Merge, "kind" | "source_branch" | "target_branch">;

/** Returns labels for both sides; the source of a revert or restore is a state, not a branch. */
export function sidesOf({ kind, source_branch, target_branch }: Sided) {
  const sources = {
    merge: { role: "Source", branch: source_branch },
    sync: { role: "Source", branch: source_branch },
    revert: { role: "Before the merge", branch: "" },
    restore: { role: "Other version", branch: "" },
  };
  const isUndoing = kind === "revert" || kind === "restore";
  return {
    source: sources[kind],
    target: { role: isUndoing ? "Branch" : "Target", branch: target_branch },
  };
}

/** "source (workspace-worker-1)": the winner's role in the operation, and its branch. */
export function winnerLabel(winner: Winner, operation: Sided): string {
  if (winner === "merged") return "content of both, as given by hand";
  const { role, branch } = sidesOf(operation)[winner];
  return `${role.toLowerCase()}${branch === "" ? "" : ` (${visible(branch)})`}`;
}

/** "modify_delete" in readable form. */
export function kindLabel(kind: string): string {
  const words = visible(kind).replaceAll("_", " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}
