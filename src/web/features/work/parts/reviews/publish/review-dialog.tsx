import { useQueryClient } from "@tanstack/react-query";
import { type ReactElement, useState } from "react";
import type { Changes, Verdict } from "#shared/api/work/reviews.js";
import type { Attempt, Task } from "#shared/api/work/tasks.js";
import { client } from "../../../../../api/client.js";
import { taskChangesKey } from "../../../../../api/queries/work/reviews.js";
import { agentsKey } from "../../../../../api/queries/work/agents.js";
import { projectsKey } from "../../../../../api/queries/code/projects.js";
import { openTasksKey, taskListsKey } from "../../../../../api/queries/work/tasks.js";
import { useApiMutation } from "../../../../../api/use-mutation.js";
import { Button } from "../../../../../ui/actions/button.js";
import { Checkbox, TextArea } from "../../../../../ui/fields/field.js";
import { Form, SubmitButton } from "../../../../../ui/fields/form.js";
import { RadioList } from "../../../../../ui/fields/radio.js";
import { Dialog, DialogActions } from "../../../../../ui/overlays/dialog.js";
import { countOf } from "../../../../../ui/text/number.js";
import {
  emptyReview,
  type PendingReview,
  toComment,
  verdictNames,
  writtenComments,
} from "../draft/pending-review.js";
import { useReviewDraft } from "../draft/use-review-draft.js";
import { MovedAlert } from "./moved-alert.js";

interface ReviewDialogProps {
  task: Task;
  attempt: Attempt;
  changes: Changes;
  /** What the review says unless the viewer chooses otherwise. */
  verdict: Verdict;
  onClose: () => void;
}

/** Publishes the viewer's review: its comments, a text about the whole, and what it says. */
export function ReviewDialog(props: ReviewDialogProps): ReactElement {
  return (
    <Dialog isOpen onClose={props.onClose} title="Finish your review">
      <ReviewForm {...props} />
    </Dialog>
  );
}

const refresh = [openTasksKey, taskListsKey, agentsKey, projectsKey];

function ReviewForm({
  task,
  attempt,
  changes,
  verdict: initial,
  onClose,
}: ReviewDialogProps): ReactElement {
  const queries = useQueryClient();
  const draft = useReviewDraft(task.id, attempt.id, changes.has_draft);
  const review = draft.review ?? emptyReview(attempt.id);
  const { approve } = changes.approval;
  const [verdict, setVerdict] = useState<Verdict>(
    initial === "approve" && !approve.allowed ? "comment" : initial,
  );
  const [isInterrupting, setInterrupting] = useState(false);
  const comments = writtenComments(review);
  const isWorking = attempt.status === "working" || attempt.status === "starting";
  const publish = useApiMutation({
    run: async (sent: PendingReview, headers) => {
      await draft.saveNow();
      return client.reviews.publish(
        {
          params: { task_id: task.id },
          body: {
            verdict,
            body: sent.body.trim(),
            comments: writtenComments(sent).map(toComment),
            commit_sha: sent.commitSha ?? changes.commit_sha,
            attempt_id: attempt.id,
            ...(verdict === "request_changes" && isInterrupting && { interrupt: true }),
          },
        },
        { headers },
      );
    },
    refresh,
    onDone: () => {
      draft.reset();
      void queries.invalidateQueries({ queryKey: taskChangesKey(task.id) });
      onClose();
    },
    successMessage: () =>
      verdict === "approve"
        ? "Approved"
        : verdict === "request_changes"
          ? "Your review was sent to the agent"
          : "Your review was published",
  });
  const isMoved = publish.error?.code === "changes_moved";
  const isEmpty = verdict !== "approve" && comments.length === 0 && review.body.trim() === "";
  return (
    <Form
      label="Finish your review"
      onSubmit={() => {
        if (!isEmpty) publish.submit(review);
      }}
      error={isMoved ? null : publish.error}
      isShownAtField={false}
      pending={publish.pending}
    >
      {isMoved && publish.error && (
        <MovedAlert
          error={publish.error}
          comments={comments}
          onLoad={async (commitSha) => {
            await queries.invalidateQueries({ queryKey: taskChangesKey(task.id) });
            await draft.follow(commitSha);
            publish.reset();
          }}
        />
      )}
      <p className="text-muted">
        {comments.length === 0
          ? "No comments on lines."
          : `${countOf(comments.length, "comment")} will be published.`}
      </p>
      <TextArea
        label="Summary"
        name="body"
        optional={!isEmpty}
        value={review.body}
        rows={4}
        onChange={(body) =>
          draft.change((before) => ({
            ...before,
            body,
            attemptId: attempt.id,
            commitSha: before.commitSha ?? changes.commit_sha,
          }))
        }
        onKeyDown={(event) => {
          if (event.key === "Enter" && (event.metaKey || event.ctrlKey)) {
            event.preventDefault();
            event.currentTarget.form?.requestSubmit();
          }
        }}
      />
      <RadioList<Verdict>
        legend="Verdict"
        value={verdict}
        onChange={setVerdict}
        options={[
          {
            value: "comment",
            label: "Comment",
            hint: "Publishes the comments, without a verdict.",
          },
          {
            value: "approve",
            label: "Approve",
            hint: "Counts for the changes as you read them.",
            disabledReason: approve.allowed ? undefined : (approve.reason ?? undefined),
          },
          {
            value: "request_changes",
            label: "Request changes",
            hint: "The agent gets the comments as its next prompt.",
            children: isWorking && (
              <Checkbox
                label="Interrupt the agent"
                hint="Otherwise the agent gets them at the end of its turn."
                checked={isInterrupting}
                onChange={setInterrupting}
              />
            ),
          },
        ]}
      />
      <DialogActions>
        <Button onClick={onClose}>Cancel</Button>
        <SubmitButton
          disabledReason={isEmpty ? "Write a summary, or comment on a line" : undefined}
        >
          {verdictNames[verdict]}
        </SubmitButton>
      </DialogActions>
    </Form>
  );
}
