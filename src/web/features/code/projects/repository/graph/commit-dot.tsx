import type { ReactElement } from "react";
import type { GraphCommit } from "#shared/api/code/graph.js";

export type DotKind = NonNullable<GraphCommit["commit_type"]> | "other";

export const dotLabels: Record<DotKind, string> = {
  checkpoint: "Checkpoint",
  validation: "Validation",
  manual: "Manual",
  final: "Final",
  merge: "Merge",
  other: "Other",
};

/** Returns the shape of a commit; any commit with two parents is a merge. */
export function dotKind({ commit_type, merge, parents }: GraphCommit): DotKind {
  if (merge !== null || parents.length > 1) return "merge";
  return commit_type ?? "other";
}

const stroke = "fill-surface stroke-current";

/** A commit's mark at (x, y); its shape shows its type, so that color is not required. */
export function CommitDot({ kind, x, y }: { kind: DotKind; x: number; y: number }): ReactElement {
  switch (kind) {
    case "checkpoint":
      return <circle cx={x} cy={y} r="4.5" strokeWidth="2" className={stroke} />;
    case "validation":
      return (
        <path
          d={`M${x} ${y - 6}l6 6l-6 6l-6 -6z`}
          strokeWidth="1.5"
          className="fill-current stroke-surface"
        />
      );
    case "manual":
      return (
        <rect
          x={x - 5}
          y={y - 5}
          width="10"
          height="10"
          strokeWidth="1.5"
          className="fill-current stroke-surface"
        />
      );
    case "final":
      return (
        <>
          <circle cx={x} cy={y} r="6" strokeWidth="1.5" className={stroke} />
          <circle cx={x} cy={y} r="3" className="fill-current" />
        </>
      );
    case "merge":
      return (
        <path
          d={`M${x - 5.5} ${y - 4.5}h11l-5.5 9.5z`}
          strokeWidth="1.5"
          strokeLinejoin="round"
          className={stroke}
        />
      );
    case "other":
      return (
        <circle cx={x} cy={y} r="4.5" strokeWidth="1.5" className="fill-current stroke-surface" />
      );
  }
}
