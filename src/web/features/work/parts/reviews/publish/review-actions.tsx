import type { ReactElement, ReactNode } from "react";
import type { Attempt, Task } from "#shared/api/work/tasks.js";
import { Button } from "../../../../../ui/actions/button.js";
import { countOf } from "../../../../../ui/text/number.js";
import { writtenComments } from "../draft/pending-review.js";
import { useReviewDraft } from "../draft/use-review-draft.js";
import { useTaskChanges } from "../use-task-changes.js";
import { ReviewDialog } from "./review-dialog.js";
import { closeReviewDialog, openReviewDialog, useReviewDialog } from "./review-dialog-state.js";

interface ReviewActionsProps {
  task: Task;
  attempt: Attempt;
  size: "sm" | "md";
  /** Whether the approval of an open merge request stands beside them. */
  isWaiting?: boolean;
  /** The button that lands the change; it comes second while comments wait to be published. */
  landing?: (isFirst: boolean) => ReactNode;
}

/** The buttons that publish the viewer's review, with the number of its comments. */
export function ReviewActions({
  task,
  attempt,
  size,
  isWaiting = false,
  landing,
}: ReviewActionsProps): ReactElement {
  const verdict = useReviewDialog(task.id);
  const { data: changes } = useTaskChanges(task, attempt, "base");
  const { review } = useReviewDraft(task.id, attempt.id, changes?.has_draft);
  const count = writtenComments(review).length;
  const approval = changes?.approval;
  const isNeeded = approval !== undefined && approval.given < approval.required && !isWaiting;
  const { prompt } = task.actions;
  return (
    <>
      {isNeeded && !approval.approve.allowed && approval.approve.reason !== null && (
        <span className="text-[13px] text-muted">{approval.approve.reason}</span>
      )}
      {!prompt.allowed && prompt.reason !== null && (
        <span className="text-[13px] text-muted">{prompt.reason}</span>
      )}
      {count > 0 && (
        <span className="text-[13px] font-medium tabular-nums">{countOf(count, "comment")}:</span>
      )}
      {prompt.allowed && (
        <Button
          size={size}
          variant={count > 0 ? "primary" : "secondary"}
          onClick={() => openReviewDialog(task.id, "request_changes")}
        >
          Request changes
        </Button>
      )}
      {isNeeded && approval.approve.allowed && (
        <Button size={size} onClick={() => openReviewDialog(task.id, "approve")}>
          Approve
        </Button>
      )}
      {landing?.(count === 0)}
      {verdict !== null && changes && (
        <ReviewDialog
          task={task}
          attempt={attempt}
          changes={changes}
          verdict={verdict}
          onClose={closeReviewDialog}
        />
      )}
    </>
  );
}
