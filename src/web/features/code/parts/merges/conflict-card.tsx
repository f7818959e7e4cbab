import type { ReactElement, ReactNode } from "react";
import type { Choice, FileVersion } from "#shared/api/code/merges.js";
import { Badge } from "../../../../ui/feedback/badge.js";
import { CopyIcon } from "../../../../ui/feedback/copy-button.js";
import { PlainText, visible } from "../../../../ui/text/plain-text.js";
import { Time } from "../../../../ui/text/time.js";
import type { DiffMode } from "../diffs/diff-mode.js";
import { kindLabel } from "./resolution-labels.js";
import { VersionDiff } from "./version-diff.js";

export type Side = "source" | "target";
/** The outcome of a conflict; null while unresolved. A command regenerates a file without a decision. */
export type Outcome = Side | "merged" | "regenerated" | null;

interface ConflictCardProps {
  id: string;
  paths: readonly string[];
  kind: string;
  outcome: Outcome;
  /** Names of the sides: "Target" and the branch name. */
  sides: Record<Side, { role: string; branch: string; time: string | null }>;
  /** Undefined while loading. */
  versions: Record<Side, readonly FileVersion[]> | undefined;
  mode: DiffMode;
  /** Shown beside the kind of conflict. */
  actions?: ReactNode;
  children?: ReactNode;
}

/** One conflict: its paths, both versions side by side with their times, and the winner. */
export function ConflictCard(props: ConflictCardProps): ReactElement {
  const { id, paths, kind, outcome, sides, versions, mode } = props;
  const name = (side: Side): ReactElement => (
    <>
      <span className="font-medium text-ink">{sides[side].role}</span>
      {sides[side].branch !== "" && <PlainText value={sides[side].branch} className="font-mono" />}
      {sides[side].time !== null && (
        <span className="text-muted">
          received <Time value={sides[side].time} withSeconds />
        </span>
      )}
      {outcome === side && <Badge tone="good">Wins</Badge>}
    </>
  );
  return (
    <section
      id={id}
      tabIndex={-1}
      aria-label={`Conflict in ${paths.map(visible).join(", ")}`}
      className="min-w-0 rounded-lg border border-line bg-surface shadow-raised"
    >
      <header
        data-sticky=""
        className="sticky top-14 z-10 flex flex-wrap items-center justify-between gap-x-4 gap-y-2 rounded-t-lg border-b border-line bg-surface px-4 py-2.5"
      >
        <h3 className="flex min-w-0 flex-col font-mono text-[13px] font-semibold">
          {paths.map((path) => (
            <span key={path} className="flex items-center gap-1 leading-6">
              <PlainText value={path} className="min-w-0" />
              <CopyIcon text={path} label={`Copy path ${visible(path)}`} />
            </span>
          ))}
        </h3>
        <div className="flex flex-wrap items-center gap-2">
          <Badge>{kindLabel(kind)}</Badge>
          {outcome === null && <Badge tone="warn">Not decided</Badge>}
          {outcome === "regenerated" && <Badge>Regenerated</Badge>}
          {props.actions}
        </div>
      </header>
      <div className="flex flex-col gap-3 p-4">
        {props.children}
        {versions && (
          <VersionDiff
            target={versions.target}
            source={versions.source}
            names={{ target: name("target"), source: name("source") }}
            mode={mode}
            winner={outcome === "source" || outcome === "target" ? outcome : null}
          />
        )}
      </div>
    </section>
  );
}

/** Returns the outcome of a manual decision. */
export function outcomeOf(choice: Choice | null | undefined): Outcome {
  if (!choice) return null;
  return choice.take ?? "merged";
}
