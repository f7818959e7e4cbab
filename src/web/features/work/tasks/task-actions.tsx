import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { lazy, type ReactElement, Suspense, useState } from "react";
import type { Attempt, Task } from "#shared/api/work/tasks.js";
import { type ApiError, client } from "../../../api/client.js";
import { checkingReason } from "../../../access/deny-reason.js";
import { mergeRequestQuery } from "../../../api/queries/code/merge-queue.js";
import { projectsKey } from "../../../api/queries/code/projects.js";
import { workspacesKey } from "../../../api/queries/code/workspaces.js";
import { meQuery } from "../../../api/queries/identity/auth.js";
import { agentsKey } from "../../../api/queries/work/agents.js";
import { openTasksKey, taskListsKey, taskQuery } from "../../../api/queries/work/tasks.js";
import { useApiMutation } from "../../../api/use-mutation.js";
import { ConfirmButton } from "../../../components/confirmations.js";
import { loadPart } from "../../../hooks/connection.js";
import { useMedia } from "../../../hooks/use-media.js";
import { paths } from "../../../paths/paths.js";
import { Button } from "../../../ui/actions/button.js";
import { Alert } from "../../../ui/feedback/alert.js";
import { visible } from "../../../ui/text/plain-text.js";
import { MissingKey } from "./missing-key.js";
import { CancelTask } from "./cancel-task.js";
import { OpenPullRequestButton } from "./pull-request.js";

const ReviewActions = lazy(async () => ({
  default: (await loadPart(() => import("../parts/reviews/publish/review-actions.js")))
    .ReviewActions,
}));

const refresh = [openTasksKey, taskListsKey, agentsKey, projectsKey, workspacesKey];

interface TaskActionsProps {
  task: Task;
  /** The attempt that the page shows. */
  attempt: Attempt | undefined;
  /** Shows the comparison of the attempts; undefined where it is shown. */
  onCompare: (() => void) | undefined;
}

/** The bar of what the viewer can do with a task now; a refusal stands beside its button. */
export function TaskActions(props: TaskActionsProps): ReactElement | null {
  const { task, attempt } = props;
  const state = useTaskActions(task);
  const keyless = [state.retry, state.addAttempt].find(
    ({ error }) => missingSecretOf(error) !== undefined,
  );
  const { actions, status } = task;
  const isNarrow = useMedia("(max-width: 40rem)");
  const size = isNarrow ? "sm" : "md";
  const isFinished = status === "done" || status === "cancelled";
  // Every control of the bar is one of these; a bar without any is not shown.
  const isEmpty =
    isFinished &&
    !actions.update.allowed &&
    !actions.stop.allowed &&
    state.error === undefined &&
    state.request === undefined;
  if (isEmpty) return null;
  return (
    <section
      aria-label="Actions"
      data-bottom-bar=""
      className="sticky bottom-0 z-20 -mx-1 flex flex-wrap items-center gap-2 rounded-t-lg border border-line bg-surface px-3 py-2.5 shadow-floating sm:px-4 sm:py-3 print:hidden"
    >
      {state.error && <Failure error={state.error} attempt={attempt} />}
      {keyless && attempt && (
        <MissingKey
          task={task}
          attempt={attempt}
          secret={missingSecretOf(keyless.error) ?? ""}
          onClose={keyless.reset}
          onSaved={() => keyless.submit(undefined)}
        />
      )}
      <Work task={task} state={state} size={size} />
      <Landing {...props} state={state} size={size} />
    </section>
  );
}

/** The name of the model key that a start lacks. */
function missingSecretOf(error: ApiError | null): string | undefined {
  if (error?.code !== "missing_model_key") return undefined;
  const { secret } = error.problem;
  return typeof secret === "string" ? secret : undefined;
}

function Failure({
  error,
  attempt,
}: {
  error: ApiError;
  attempt: Attempt | undefined;
}): ReactElement {
  return (
    <div className="w-full">
      <Alert live>
        {error.message}
        {error.code === "merge_conflict" && attempt && (
          <>
            {" "}
            <Link {...paths.newMerge(attempt.agent_id)} className="underline">
              Resolve conflicts
            </Link>
          </>
        )}
      </Alert>
    </div>
  );
}

/** The requests of the bar's buttons. */
function useTaskActions(task: Task) {
  const params = { task_id: task.id };
  const queries = useQueryClient();
  const show = (changed: Task): void => {
    queries.setQueryData(taskQuery(task.id).queryKey, changed);
  };
  const retry = useApiMutation({
    run: (_input: undefined, headers) => client.tasks.retry({ params }, { headers }),
    refresh,
    onDone: show,
  });
  const release = useApiMutation({
    run: (_input: undefined, headers) => client.tasks.release({ params }, { headers }),
    refresh,
    onDone: show,
    successMessage: () => "The task starts",
  });
  const merge = useApiMutation({
    run: (_input: undefined, headers) => client.tasks.merge({ params }, { headers }),
    refresh,
    onDone: show,
    successMessage: ({ status: next }) => (next === "done" ? "Merged" : "The merge has begun"),
  });
  const approve = useApiMutation({
    run: (requestId: string, headers) =>
      client.mergeQueue.approve({ params: { merge_request_id: requestId } }, { headers }),
    refresh,
    successMessage: () => "Approved",
  });
  const addAttempt = useApiMutation({
    run: (_input: undefined, headers) =>
      client.tasks.addAttempts({ params, body: { count: 1 } }, { headers }),
    refresh,
    onDone: show,
    successMessage: () => "Another attempt started",
  });
  const finish = useApiMutation({
    run: (next: "open" | "done", headers) =>
      client.tasks.update({ params, body: { status: next } }, { headers }),
    refresh,
    onDone: show,
  });
  return {
    retry,
    release,
    merge,
    approve,
    addAttempt,
    finish,
    show,
    error: [retry, release, merge, approve, addAttempt, finish].find((action) => action.error)
      ?.error,
    request: task.attempts.find(({ merge_request }) => merge_request !== null)?.merge_request,
  };
}

interface PartProps {
  task: Task;
  state: ReturnType<typeof useTaskActions>;
  size: "sm" | "md";
}

/** What concerns the work as a whole. */
function Work({ task, state, size }: PartProps): ReactElement {
  const { actions, status } = task;
  const { addAttempt, finish, show } = state;
  const [isCanceling, setCanceling] = useState(false);
  const isFinished = status === "done" || status === "cancelled";
  // Work that changes nothing ends without a merge.
  const endsByHand = status === "needs_you" || status === "open" || status === "failed";
  return (
    <>
      {actions.stop.allowed && <StopButton task={task} size={size} onDone={show} />}
      {actions.cancel.allowed && (
        <Button size={size} variant="ghost" onClick={() => setCanceling(true)}>
          Cancel task
        </Button>
      )}
      {actions.attempt.allowed && task.attempts.length > 0 && (
        <Button
          size={size}
          variant="ghost"
          pending={addAttempt.pending}
          onClick={() => addAttempt.submit(undefined)}
        >
          Add attempt
        </Button>
      )}
      {actions.update.allowed && endsByHand && (
        <Button
          size={size}
          variant="ghost"
          pending={finish.pending}
          onClick={() => finish.submit("done")}
        >
          Mark as done
        </Button>
      )}
      {actions.update.allowed && isFinished && (
        <Button
          size={size}
          variant="ghost"
          pending={finish.pending}
          onClick={() => finish.submit("open")}
        >
          Reopen
        </Button>
      )}
      {isCanceling && <CancelTask task={task} onClose={() => setCanceling(false)} />}
    </>
  );
}

/** How the task goes on: another try, other changes, or the merge. */
function Landing({
  task,
  state,
  size,
  attempt,
  onCompare,
}: PartProps & TaskActionsProps): ReactElement {
  const { actions, status, attempts } = task;
  const { retry, release, merge, approve, request } = state;
  const isStarted = attempts.some(({ session_id }) => session_id !== null);
  const waitsForApproval = request?.status === "waiting_for_approval";
  const ownReason = useOwnReason(waitsForApproval ? request.id : undefined);
  const landing = waitsForApproval ? actions.approve : actions.merge;
  const allowed = landing.allowed && ownReason === undefined;
  const reason = ownReason ?? landing.reason;
  const isReview = status === "in_review";
  const isLanding = isReview || status === "merging" || waitsForApproval;
  const hasChanges = attempts.some(({ changes }) => changes !== null && changes.files > 0);
  const isReviewable = hasChanges && status !== "done" && status !== "cancelled";
  const canLand = allowed && (isLanding || hasChanges);
  const landButton = (isFirst: boolean): ReactElement | null =>
    canLand ? (
      <Button
        size={size}
        variant={isLanding && isFirst ? "primary" : "secondary"}
        icon="merge"
        pending={merge.pending || approve.pending}
        onClick={() => {
          if (waitsForApproval && request) approve.submit(request.id);
          else merge.submit(undefined);
        }}
      >
        Approve and merge
      </Button>
    ) : null;
  return (
    <div className="ml-auto flex flex-wrap items-center justify-end gap-2">
      {actions.release.allowed && (
        <Button
          size={size}
          icon="send"
          variant="primary"
          pending={release.pending}
          onClick={() => release.submit(undefined)}
        >
          Release task
        </Button>
      )}
      {actions.retry.allowed && (
        <Button
          size={size}
          icon={isStarted ? "retry" : "send"}
          variant={isLanding ? "secondary" : "primary"}
          pending={retry.pending}
          onClick={() => retry.submit(undefined)}
        >
          {isStarted ? "Retry" : "Start"}
        </Button>
      )}
      {request && (
        <Link
          {...paths.mergeRequest(task.project_id, request.id)}
          className="text-[13px] text-accent-ink hover:underline"
        >
          {request.reason === null ? "Merge request" : visible(request.reason)}
        </Link>
      )}
      {isLanding && !allowed && reason !== null && reason !== "" && (
        <span className="text-[13px] text-muted">{reason}</span>
      )}
      {isLanding && onCompare && attempts.length > 1 && task.chosen_attempt_id === null && (
        <Button size={size} variant="primary" onClick={onCompare}>
          Compare attempts
        </Button>
      )}
      <OpenPullRequestButton task={task} size={size} />
      {attempt && attempt.head_commit !== null && isReviewable ? (
        <Suspense fallback={landButton(true)}>
          <ReviewActions
            task={task}
            attempt={attempt}
            size={size}
            isWaiting={waitsForApproval}
            landing={landButton}
          />
        </Suspense>
      ) : (
        landButton(true)
      )}
      {!actions.cancel.allowed && !isLanding && status !== "done" && status !== "cancelled" && (
        <span className="text-[13px] text-muted">{actions.cancel.reason}</span>
      )}
    </div>
  );
}

/**
 * Returns why the viewer cannot approve a merge request: an empty text if it needs no further approval; undefined for a
 * request of another person.
 */
function useOwnReason(requestId: string | undefined): string | undefined {
  const { data: me } = useQuery(meQuery);
  const { data: request } = useQuery({
    ...mergeRequestQuery(requestId ?? ""),
    enabled: requestId !== undefined,
  });
  if (requestId === undefined) return undefined;
  if (request === undefined) return checkingReason;
  const { requested_by: by, approvals, required_approvals: required } = request;
  // It waits for threads or a second opinion, as its own reason says.
  if (approvals.length >= required) return "";
  if (by?.type === "user" && by.id === me?.id) {
    return "You requested this merge; someone else has to approve it.";
  }
  return approvals.some((approval) => approval.by.id === me?.id)
    ? "You approved it; it waits for another person."
    : undefined;
}

function StopButton({
  task,
  size,
  onDone,
}: {
  task: Task;
  size: "sm" | "md";
  onDone: (changed: Task) => void;
}): ReactElement {
  return (
    <ConfirmButton
      label="Stop"
      size={size}
      action="Stop work"
      title="Stop the work on this task?"
      mutation={{
        run: (_input, headers) => client.tasks.stop({ params: { task_id: task.id } }, { headers }),
        refresh,
        onDone,
        successMessage: () => "The work is being stopped",
      }}
    >
      Its programs end. Attempts and their changes stay.
    </ConfirmButton>
  );
}
