import type { ReactElement } from "react";
import type { Preview } from "#shared/api/code/previews.js";
import { asApiError } from "../../../api/client.js";
import { Alert } from "../../../ui/feedback/alert.js";
import { Button } from "../../../ui/actions/button.js";
import { goToSection } from "../parts/diffs/sections.js";
import { conflictId, type Decisions, nextOpen } from "./decisions/decisions.js";

interface ActBarProps {
  verb: string;
  preview: Preview;
  /** Number of conflicts without a manual decision; null if a strategy resolves them. */
  open: number | null;
  decisions: Decisions;
  pending: boolean;
  reason: string | undefined;
  /** Why the operation was rejected, or would be. */
  error: Error | null;
  onRun: () => void;
}

/** A sticky bar with the progress of the decisions and the button that runs the operation. */
export function OperationBar(props: ActBarProps): ReactElement {
  const { verb, preview, decisions } = props;
  const { conflicts, up_to_date } = preview;
  const open = props.open ?? 0;
  const reason =
    props.reason ??
    (up_to_date ? "Nothing to merge." : open > 0 ? "Decide every conflict first." : undefined);
  return (
    <div
      data-bottom-bar=""
      className="sticky bottom-0 z-20 -mx-1 flex flex-wrap items-center justify-between gap-3 rounded-t-lg border border-line bg-surface px-4 py-3 shadow-floating"
    >
      {props.error && (
        <div className="w-full">
          <Alert live>{refusalOf(props.error)}</Alert>
        </div>
      )}
      <div className="flex flex-wrap items-center gap-3">
        <output aria-live="polite" className="tabular-nums">
          {props.open === null
            ? up_to_date
              ? "Nothing to do"
              : conflicts.length === 0
                ? "No conflicts"
                : `${conflicts.length} decided by the rule`
            : `${conflicts.length - open} of ${conflicts.length} decided`}
        </output>
        {open > 0 && (
          <Button
            size="sm"
            onClick={() => goToSection(conflictId(nextOpen(conflicts, decisions, -1)))}
          >
            Next undecided
          </Button>
        )}
      </div>
      <Button
        variant="primary"
        icon="merge"
        pending={props.pending}
        disabledReason={reason}
        onClick={props.onRun}
      >
        {verb}
      </Button>
    </div>
  );
}

function refusalOf(error: Error): string {
  const { code, message } = asApiError(error);
  return code === "stale"
    ? `${message} Above is what it would do now; decisions that still apply are kept.`
    : message;
}
