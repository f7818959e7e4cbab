import type { ReactElement } from "react";
import type { ProjectMove } from "#shared/api/operation/project-moves.js";
import { isUnfinished } from "../../../../api/queries/operation/admin.js";
import { Badge, type Tone } from "../../../../ui/feedback/badge.js";
import { Progress } from "../../../../ui/feedback/meter.js";
import { formatBytes } from "../../../../ui/text/number.js";
import { PlainText, visible } from "../../../../ui/text/plain-text.js";
import { RelativeTime } from "../../../../ui/text/time.js";

const states: Record<ProjectMove["state"], { label: string; tone: Tone }> = {
  copying: { label: "Copying", tone: "accent" },
  freezing: { label: "Freezing", tone: "warn" },
  switching: { label: "Switching", tone: "warn" },
  cleaning: { label: "Cleaning up", tone: "accent" },
  done: { label: "Moved", tone: "good" },
  failed: { label: "Failed", tone: "bad" },
  canceled: { label: "Canceled", tone: "neutral" },
};

interface MoveStateProps {
  /** Name of the project. */
  project: string;
  move: ProjectMove | null;
  /** The server whose page shows it. */
  nodeId: string;
}

/** The state of a project's latest move, with its progress or its error. */
export function MoveState({ project, move, nodeId }: MoveStateProps): ReactElement {
  if (move === null) return <>–</>;
  const { state, error, finished_at } = move;
  return (
    <div className="flex flex-col gap-1">
      <span className="flex flex-wrap items-center gap-x-1.5">
        <Badge tone={states[state].tone}>{states[state].label}</Badge>
        <span className="text-[13px] text-muted">
          {move.to.id === nodeId ? "from " : "to "}
          <PlainText value={move.to.id === nodeId ? move.from.name : move.to.name} />
          {finished_at !== null && (
            <>
              , <RelativeTime value={finished_at} />
            </>
          )}
        </span>
      </span>
      {isUnfinished(move) && <MoveProgress project={project} move={move} />}
      {error !== null && (
        <span className="text-[13px] text-bad">
          <PlainText value={error} />
        </span>
      )}
    </div>
  );
}

function MoveProgress({ project, move }: { project: string; move: ProjectMove }): ReactElement {
  const { bytes_total: total, state } = move;
  // A server copies one project after another, and lists its files first.
  if (total === 0)
    return (
      <span className="text-[13px] text-muted">
        {state === "copying" ? "Waiting to be copied" : "No files to copy"}
      </span>
    );
  // Files that changed meanwhile are copied again.
  const copied = Math.min(move.bytes_copied, total);
  return (
    <>
      <span className="text-[13px] text-muted tabular-nums">
        {formatBytes(copied)} of {formatBytes(total)}
      </span>
      <Progress
        label={`Copied of ${visible(project)}`}
        percent={Math.floor((copied / total) * 100)}
      />
    </>
  );
}
