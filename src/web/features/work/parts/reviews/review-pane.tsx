import { useQuery, useQueryClient } from "@tanstack/react-query";
import { type ReactElement, useEffect, useRef } from "react";
import type { Attempt, Task } from "#shared/api/work/tasks.js";
import { useDenyReason } from "../../../../access/permissions.js";
import {
  type ChangesSince,
  reviewsQuery,
  taskChangesKey,
  threadsQuery,
} from "../../../../api/queries/work/reviews.js";
import { meQuery } from "../../../../api/queries/identity/auth.js";
import { Waiting } from "../../../../components/await.js";
import { useMedia } from "../../../../hooks/use-media.js";
import { usePersistedState } from "../../../../hooks/use-persisted-state.js";
import { Button } from "../../../../ui/actions/button.js";
import { Alert } from "../../../../ui/feedback/alert.js";
import { useDiffMode } from "../../../code/parts/diffs/diff-mode.js";
import { writtenComments } from "./draft/pending-review.js";
import { useReviewDraft } from "./draft/use-review-draft.js";
import { OpinionList } from "./opinions/opinion-list.js";
import { ReviewBrowser } from "./review-browser.js";
import { useTaskChanges, useWithoutSpace } from "./use-task-changes.js";
import "./reviews.css";

interface ReviewPaneProps {
  task: Task;
  attempt: Attempt;
  /** Whether the changes have the whole width; undefined where nothing stands beside them. */
  isFull?: boolean | undefined;
  onFull?: ((isFull: boolean) => void) | undefined;
}

/** The review of an attempt: what would land, what is said about it, and the viewer's own comments. */
export function ReviewPane({ task, attempt, isFull, onFull }: ReviewPaneProps): ReactElement {
  const queries = useQueryClient();
  const [since, setSince] = usePersistedState<ChangesSince>(
    "session",
    `since ${task.id}`,
    "base",
    (stored) => stored === "base" || stored === "last_review",
  );
  const [isWithoutSpace, setWithoutSpace] = useWithoutSpace();
  const [chosenMode, setMode] = useDiffMode();
  const hasRoomForTwo = useMedia(isFull === false ? "(min-width: 110rem)" : "(min-width: 48rem)");
  const changes = useTaskChanges(task, attempt, since);
  const threads = useQuery(threadsQuery(task.id));
  const reviews = useQuery(reviewsQuery(task.id));
  const { data: me } = useQuery(meQuery);
  const reason = useReviewReason(task, attempt);
  const draft = useReviewDraft(task.id, attempt.id, changes.data?.has_draft);
  const head = attempt.head_commit;
  const isStale = changes.data !== undefined && head !== null && changes.data.commit_sha !== head;
  const isBusy = writtenComments(draft.review).length > 0;
  const load = (): void => {
    void queries.invalidateQueries({ queryKey: taskChangesKey(task.id) });
    if (head !== null) void draft.follow(head);
  };
  // A reader without comments follows the agent; comments stay at their lines until the viewer wants.
  const wanted = isStale && !isBusy ? head : null;
  useEffect(() => {
    if (wanted !== null) void queries.invalidateQueries({ queryKey: taskChangesKey(task.id) });
  }, [wanted, queries, task.id]);
  // Approvals and the target may have changed with the task or a review; the shown commit stays.
  const state = reviews.data && `${task.updated_at} ${JSON.stringify(reviews.data)}`;
  const seen = useRef<string>(undefined);
  useEffect(() => {
    const isNews = seen.current !== undefined && seen.current !== state;
    seen.current = state;
    if (isNews && !isStale) void queries.invalidateQueries({ queryKey: taskChangesKey(task.id) });
  }, [state, isStale, queries, task.id]);
  if (changes.data === undefined) return <Waiting query={changes} what="The changes" />;
  const threadsOfAttempt = (threads.data ?? []).filter(
    ({ attempt_id }) => attempt_id === attempt.id,
  );
  const hasReviewed = (reviews.data ?? []).some(({ author }) => author.id === me?.id);
  return (
    <div className="flex min-w-0 flex-col gap-4">
      {isStale && isBusy && (
        <Alert tone="info" live>
          The agent has changed the files since you opened them.{" "}
          <Button size="sm" className="ml-1" onClick={load}>
            Load the newest changes
          </Button>
        </Alert>
      )}
      {threads.error && <Waiting query={threads} what="The threads" />}
      <OpinionList task={task} attempt={attempt} reason={reason} />
      <ReviewBrowser
        task={task}
        attempt={attempt}
        changes={changes.data}
        threads={threadsOfAttempt}
        draft={draft}
        reason={reason}
        hasReviewed={hasReviewed}
        view={{
          since,
          onSince: setSince,
          isWithoutSpace,
          onWithoutSpace: setWithoutSpace,
          canSplit: hasRoomForTwo,
          mode: hasRoomForTwo ? chosenMode : "unified",
          onMode: setMode,
          isFull,
          onFull: (next) => onFull?.(next),
        }}
      />
    </div>
  );
}

/** Returns why the viewer may not comment; undefined if they may. */
function useReviewReason(task: Task, attempt: Attempt): string | undefined {
  const denied = useDenyReason(task.organization_id)("project:task:write");
  if (denied !== undefined) return denied;
  if (task.finished_at !== null) return "The task is finished.";
  return attempt.status === "archived" ? "The attempt is archived." : undefined;
}
