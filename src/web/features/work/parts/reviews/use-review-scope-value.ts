import type { QueryClient } from "@tanstack/react-query";
import { flushSync } from "react-dom";
import { useMemo } from "react";
import type { Changes } from "#shared/api/work/reviews.js";
import type { Thread } from "#shared/api/work/threads.js";
import type { Attempt, Task } from "#shared/api/work/tasks.js";
import { fileLinesQuery } from "../../../../api/queries/work/reviews.js";
import { useEventCallback } from "../../../../hooks/use-event-callback.js";
import { notify } from "../../../../ui/feedback/toast.js";
import { newKey, type PendingComment, writtenComments } from "./draft/pending-review.js";
import type { ReviewDraft } from "./draft/use-review-draft.js";
import type { FileLines } from "./files/file-lines.js";
import { newLinesOf } from "./files/file-patches.js";
import type { LinePlace } from "./keys/line-rows.js";
import type { useReviewCursor } from "./keys/use-review-cursor.js";
import type { ReviewScope } from "./review-scope.js";
import type { FileTalk } from "./threads/talk.js";
import { threadElementId } from "./threads/thread-card.js";

interface ScopeInput {
  task: Task;
  attempt: Attempt;
  changes: Changes;
  lines: FileLines;
  draft: ReviewDraft;
  reason: string | undefined;
  talk: ReadonlyMap<string, FileTalk>;
  pending: readonly PendingComment[];
  cursor: ReturnType<typeof useReviewCursor>;
  openPath: (path: string) => void;
  hurry: () => void;
  queries: QueryClient;
}

/** Time within which a thread is drawn once its file is near; milliseconds. */
const drawnMs = 2000;

/** Returns what the parts of a review share; a new object only where something of it is new. */
export function useReviewScopeValue(input: ScopeInput): ReviewScope {
  const { task, attempt, changes, lines, draft, reason, talk, pending, cursor, openPath } = input;
  const changeDraft = draft.change;
  const comment = useEventCallback(
    (path: string, place: LinePlace | null, from: number = place?.line ?? 0) => {
      if (reason !== undefined) return notify(reason, "bad");
      if (draft.review === null) return notify("Your draft is being read; try again.", "bad");
      if (place?.side === "old" && changes.since.kind !== "base") {
        return notify("Show all changes to comment on removed lines.", "bad");
      }
      if (draft.review.attemptId !== attempt.id && writtenComments(draft.review).length > 0) {
        return notify("Publish or delete your comments on the other attempt first.", "bad");
      }
      const file = changes.files.find((each) => each.path === path);
      const isOld = place?.side === "old";
      const start = place && from;
      const placed = isOld ? (file?.old_path ?? path) : path;
      const isSame = (each: PendingComment): boolean =>
        each.threadId === null &&
        each.path === placed &&
        each.line === (place?.line ?? null) &&
        each.startLine === start &&
        each.side === (place?.side ?? "new");
      openPath(path);
      changeDraft((review) => ({
        ...review,
        attemptId: attempt.id,
        commitSha: review.commitSha ?? changes.commit_sha,
        comments: review.comments.some(isSame)
          ? review.comments.map((each) => (isSame(each) ? { ...each, isEdited: true } : each))
          : [
              ...review.comments,
              {
                key: newKey(),
                threadId: null,
                path: placed,
                side: place?.side ?? "new",
                line: place?.line ?? null,
                startLine: start,
                body: "",
                suggestion: null,
                isOutdated: false,
                isEdited: true,
              },
            ],
      }));
      if (place) cursor.select({ path, place, from });
    },
  );
  const textOf = (path: string, from: number, to: number): string | null => {
    const file = changes.files.find((each) => each.path === path);
    const read = file && lines.known(file);
    const text = read ? newLinesOf(read, from, to) : null;
    if (text !== null) return text;
    const key = fileLinesQuery(task.id, attempt.id, changes.commit_sha, path).queryKey;
    const all = input.queries.getQueryData<{ lines: string[] }>(key)?.lines;
    return all && to <= all.length ? all.slice(from - 1, to).join("\n") : null;
  };
  const returnTo = useEventCallback((path: string, place: LinePlace | null) => {
    const shown = changes.files.find((file) => file.path === path || file.old_path === path);
    if (place && shown) cursor.goTo(shown.path, place);
  });
  const goToThread = useEventCallback((thread: Thread) => {
    flushSync(input.hurry);
    const file = changes.files.find(({ path, old_path }) =>
      thread.side === "old" ? (old_path ?? path) === thread.path : path === thread.path,
    );
    if (file) {
      openPath(file.path);
      if (thread.line === null || thread.outdated) cursor.goToFile({ ...fileSpot(file.path) });
      else cursor.goTo(file.path, { side: thread.side, line: thread.line });
    }
    focusOnceDrawn(threadElementId(thread.id));
  });
  const goToLine = useEventCallback((path: string, place: LinePlace) => {
    flushSync(() => {
      input.hurry();
      openPath(path);
    });
    cursor.goTo(path, place);
  });
  const fileSpot = (path: string) => ({
    path,
    id: `file-${changes.files.findIndex((file) => file.path === path)}`,
    isOpen: true,
    hunks: () => [],
  });
  return useMemo(
    () => ({
      task,
      attempt,
      changes,
      lines,
      reason,
      talk,
      pending,
      changeDraft,
      comment,
      textOf,
      returnTo,
      goToThread,
      goToLine,
    }),
    // oxlint-disable-next-line react-hooks/exhaustive-deps -- `textOf` reads the changes alone
    [
      task,
      attempt,
      changes,
      lines,
      reason,
      talk,
      pending,
      changeDraft,
      comment,
      returnTo,
      goToThread,
      goToLine,
    ],
  );
}

/** Shows and focuses an element as soon as it is drawn. */
function focusOnceDrawn(id: string): void {
  const until = Date.now() + drawnMs;
  const look = (): void => {
    const element = document.getElementById(id);
    if (element) {
      element.scrollIntoView({ block: "center" });
      element.focus({ preventScroll: true });
    } else if (Date.now() < until) requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
}
