import { createContext, use } from "react";
import type { Changes } from "#shared/api/work/reviews.js";
import type { Thread } from "#shared/api/work/threads.js";
import type { Attempt, Task } from "#shared/api/work/tasks.js";
import type { LinePlace } from "./keys/line-rows.js";
import type { FileLines } from "./files/file-lines.js";
import type { PendingComment, PendingReview } from "./draft/pending-review.js";
import type { FileTalk } from "./threads/talk.js";

/** What the parts of a review share. */
export interface ReviewScope {
  task: Task;
  attempt: Attempt;
  changes: Changes;
  lines: FileLines;
  /** Why the viewer may not comment. */
  reason: string | undefined;
  /** By the path of a file. */
  talk: ReadonlyMap<string, FileTalk>;
  pending: readonly PendingComment[];
  changeDraft: (edit: (before: PendingReview) => PendingReview) => void;
  /** Opens a form for a comment; `from` is the first line. Without a place it is about the file. */
  comment: (path: string, place: LinePlace | null, from?: number) => void;
  /** Returns the text of lines of the new side; null where they are not known. */
  textOf: (path: string, from: number, to: number) => string | null;
  /** Gives the focus back to a line after its form closed. */
  returnTo: (path: string, place: LinePlace | null) => void;
  goToThread: (thread: Thread) => void;
  /** Shows and focuses a changed line, also of a file whose lines are not read yet. */
  goToLine: (path: string, place: LinePlace) => void;
}

const Scope = createContext<ReviewScope | null>(null);
export const ReviewScopeProvider = Scope.Provider;

export function useReviewScope(): ReviewScope {
  const scope = use(Scope);
  if (!scope) throw new Error("a part of a review is outside of one");
  return scope;
}
