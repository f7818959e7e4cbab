import type { Draft, NewComment, Place, Side, Verdict } from "#shared/api/work/reviews.js";
import { usePersistedState } from "../../../../../hooks/use-persisted-state.js";

/** A comment that is not published yet. */
export interface PendingComment {
  /** Identifies it on this page. */
  key: string;
  /** The thread that it continues; null for a new one. */
  threadId: string | null;
  path: string;
  side: Side;
  /** Null for the whole file. */
  line: number | null;
  startLine: number | null;
  body: string;
  /** What should replace the lines; null without a suggestion. */
  suggestion: string | null;
  /** Whether its lines are gone from the newest commit. */
  isOutdated: boolean;
  isEdited: boolean;
}

/** The viewer's unpublished review of a task. It survives a reload, and what is saved, another browser. */
export interface PendingReview {
  attemptId: string;
  /** The commit that the places are of; null without comments. */
  commitSha: string | null;
  body: string;
  comments: PendingComment[];
  /** Whether the server has it like this. */
  isSaved: boolean;
  /** Whether the server has any draft of the task. */
  isStored: boolean;
}

const isReview = (stored: unknown): boolean =>
  typeof stored === "object" &&
  stored !== null &&
  "comments" in stored &&
  Array.isArray(stored.comments);

/** The unpublished review of a task; null until it is known whether the server has one. */
export function usePendingReview(
  taskId: string,
): [PendingReview | null, (next: PendingReview | null) => void] {
  return usePersistedState<PendingReview | null>("session", `review ${taskId}`, null, isReview);
}

export const emptyReview = (attemptId: string): PendingReview => ({
  attemptId,
  commitSha: null,
  body: "",
  comments: [],
  isSaved: true,
  isStored: false,
});

export const hasContent = ({ body, suggestion }: PendingComment): boolean =>
  body.trim() !== "" || suggestion !== null;

/** Returns the comments that have something to say. */
export const writtenComments = (review: PendingReview | null): PendingComment[] =>
  review?.comments.filter(hasContent) ?? [];

/** Returns a comment as the API takes it; one whose lines are gone as a comment on the file. */
export function toComment(comment: PendingComment): NewComment {
  const { threadId, path, side, line, startLine, body, suggestion, isOutdated } = comment;
  if (isOutdated) return { path, side: "new", body: body.trim() || (suggestion ?? "") };
  const text = { body: body.trim(), ...(suggestion !== null && { suggestion }) };
  if (threadId !== null) return { thread_id: threadId, ...text };
  if (line === null) return { path, side, ...text };
  return { path, side, line, start_line: startLine ?? line, ...text };
}

let made = 0;
export const newKey = (): string => `${Date.now().toString(36)}-${(made += 1)}`;

/** Returns what the server saved, with the places in the newest commit. */
export function fromDraft(draft: Draft, keys: readonly string[] = []): PendingReview {
  return {
    attemptId: draft.attempt_id,
    commitSha: draft.head_sha,
    body: draft.body,
    isSaved: true,
    isStored: true,
    comments: draft.comments.map((comment, index) => {
      const place: Omit<Place, "path" | "side"> & {
        path: string | null;
        side: Side | null;
      } = comment.now ?? comment;
      return {
        key: keys[index] ?? newKey(),
        threadId: comment.thread_id,
        path: place.path ?? "",
        side: place.side ?? "new",
        line: place.line,
        startLine: place.start_line,
        body: comment.body,
        suggestion: comment.suggestion,
        isOutdated: comment.thread_id === null && comment.now === null,
        isEdited: false,
      };
    }),
  };
}

export const verdictNames: Readonly<Record<Verdict, string>> = {
  approve: "Approve",
  request_changes: "Request changes",
  comment: "Comment",
};
