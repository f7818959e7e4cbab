import type { Merge } from "#shared/api/workspaces.js";
import { visible } from "../../ui/plain-text.js";

/** What moved the branch. */
export const actLabels: Record<Merge["kind"], string> = {
  merge: "Merge",
  revert: "Revert",
  restore: "Restore",
  sync: "Sync",
};

type Winner = Merge["resolutions"][number]["winner"];

/** "source (workspace-worker-1)": the role in the merge, and which branch that is. */
export function winnerLabel(
  winner: Winner,
  merge: Pick<Merge, "source_branch" | "target_branch">,
): string {
  switch (winner) {
    case "source":
      return `source (${visible(merge.source_branch)})`;
    case "target":
      return `target (${visible(merge.target_branch)})`;
    case "merged":
      return "content of both, as given by hand";
  }
}

/** "modify_delete" as people write it. */
export function kindLabel(kind: string): string {
  const words = visible(kind).replaceAll("_", " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}
