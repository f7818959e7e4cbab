import { useQuery } from "@tanstack/react-query";
import { useEffect, useRef } from "react";
import { ApiError, client } from "../../../../../api/client.js";
import { reviewDraftQuery } from "../../../../../api/queries/work/reviews.js";
import { useEventCallback } from "../../../../../hooks/use-event-callback.js";
import {
  emptyReview,
  fromDraft,
  type PendingReview,
  toComment,
  usePendingReview,
  writtenComments,
} from "./pending-review.js";

/** A pause in typing after which the draft is saved; milliseconds. */
const pauseMs = 600;

/** Saves run one after another, so that an older text never replaces a newer one. */
let saving: Promise<unknown> = Promise.resolve();
let underWay: PendingReview | null = null;

/** Sends a draft to the server; deletes it there if it is empty. Returns it with its newest places. */
async function save(taskId: string, review: PendingReview): Promise<PendingReview> {
  const params = { task_id: taskId };
  const comments = writtenComments(review);
  if (review.commitSha === null || (comments.length === 0 && review.body.trim() === "")) {
    if (review.isStored) {
      await client.reviews.deleteDraft({ params }).catch((error: unknown) => {
        if (!(error instanceof ApiError && error.status === 404)) throw error;
      });
    }
    return { ...review, isStored: false };
  }
  const { data } = await client.reviews.saveDraft({
    params,
    body: {
      body: review.body,
      comments: comments.map(toComment),
      commit_sha: review.commitSha,
      attempt_id: review.attemptId,
    },
  });
  const placed = fromDraft(
    data,
    comments.map(({ key }) => key),
  );
  const places = new Map(placed.comments.map((comment) => [comment.key, comment]));
  return {
    ...review,
    commitSha: placed.commitSha,
    isStored: true,
    comments: review.comments.map((comment) => {
      const { path, side, line, startLine, isOutdated } = places.get(comment.key) ?? comment;
      return { ...comment, path, side, line, startLine, isOutdated };
    }),
  };
}

/**
 * The viewer's unpublished review of a task: read once from the server, and saved there at each pause in
 * typing. Null while it is read.
 */
export function useReviewDraft(
  taskId: string,
  attemptId: string,
  /** Whether the server has a draft; undefined while that is not known. */
  hasDraft: boolean | undefined,
) {
  const [review, setReview] = usePendingReview(taskId);
  const stored = useQuery({
    ...reviewDraftQuery(taskId),
    enabled: hasDraft === true && review === null,
  });
  const latest = useRef(review);
  useEffect(() => {
    latest.current = review;
  });
  useEffect(() => {
    if (review !== null || hasDraft === undefined) return;
    if (!hasDraft || stored.data === null) setReview(emptyReview(attemptId));
    else if (stored.data !== undefined) setReview(fromDraft(stored.data));
  }, [review, hasDraft, stored.data, attemptId, setReview]);

  const change = useEventCallback((edit: (before: PendingReview) => PendingReview) => {
    if (latest.current === null) return;
    latest.current = { ...edit(latest.current), isSaved: false };
    setReview(latest.current);
  });
  const flush = useEventCallback(() => {
    const sent = latest.current;
    if (sent === null || sent.isSaved || sent === underWay) return;
    underWay = sent;
    const write = async (): Promise<void> => {
      try {
        const { isStored } = await save(taskId, sent);
        const now = latest.current;
        if (now === null || now.attemptId !== sent.attemptId) return;
        latest.current = { ...now, isStored, isSaved: now === sent };
        setReview(latest.current);
      } catch {
        // The browser keeps it, and the next change or visit saves it.
      }
    };
    saving = saving.then(write);
  });
  useEffect(() => {
    if (review === null || review.isSaved) return undefined;
    const timer = setTimeout(flush, pauseMs);
    return () => clearTimeout(timer);
  }, [review, flush]);
  useEffect(() => flush, [flush]);
  /** Moves the comments to their places in the newest commit. */
  const follow = async (commitSha: string): Promise<void> => {
    const move = async (): Promise<void> => {
      const sent = latest.current;
      if (sent === null || sent.commitSha === null || sent.commitSha === commitSha) return;
      latest.current = { ...(await save(taskId, sent)), isSaved: true };
      setReview(latest.current);
    };
    saving = saving.then(move).catch(() => {});
    await saving;
  };
  /** Empties the draft once it is published. */
  const reset = (): void => {
    latest.current = emptyReview(attemptId);
    setReview(latest.current);
  };
  /** Saves at once and waits for all saves, so that none brings a published draft back. */
  const saveNow = async (): Promise<void> => {
    flush();
    await saving;
  };
  return { review, change, follow, reset, saveNow, error: stored.error };
}

export type ReviewDraft = ReturnType<typeof useReviewDraft>;
