import type { ReactElement } from "react";
import { Button } from "../../../../../ui/actions/button.js";
import { Alert } from "../../../../../ui/feedback/alert.js";
import { Badge } from "../../../../../ui/feedback/badge.js";
import { Markdown } from "../../../../../ui/text/markdown.js";
import type { PendingComment } from "../draft/pending-review.js";
import { useReviewScope } from "../review-scope.js";
import { CommentForm } from "./comment-form.js";
import { SuggestionView } from "./suggestion-view.js";
import { linesText } from "./talk.js";

/** A comment of the viewer that is not published: its text, or the form that changes it. */
export function PendingCard({ comment }: { comment: PendingComment }): ReactElement {
  const { changeDraft, textOf, returnTo } = useReviewScope();
  const { key, threadId, path, side, line, startLine, body, suggestion, isOutdated } = comment;
  const start = startLine ?? line;
  const before = line === null || start === null ? null : textOf(path, start, line);
  const set = (part: Partial<PendingComment>): void =>
    changeDraft((review) => ({
      ...review,
      comments: review.comments.map((each) => (each.key === key ? { ...each, ...part } : each)),
    }));
  const back = (): void => returnTo(path, line === null ? null : { side, line });
  const discard = (): void => {
    changeDraft((review) => ({
      ...review,
      comments: review.comments.filter((each) => each.key !== key),
    }));
    back();
  };
  const place =
    threadId !== null
      ? "Reply"
      : line === null
        ? "Comment on the file"
        : `Comment on ${linesText(start ?? line, line, side)}`;
  if (comment.isEdited) {
    return (
      <CommentForm
        label={place}
        body={body}
        onBody={(text) => set({ body: text })}
        suggestion={side === "old" || line === null || isOutdated ? undefined : suggestion}
        onSuggestion={(text) => set({ suggestion: text })}
        lines={before}
        onDone={() => {
          set({ isEdited: false });
          back();
        }}
        onDiscard={discard}
        onLeave={back}
      />
    );
  }
  return (
    <article
      aria-label={`Pending: ${place}`}
      className="flex flex-col gap-2 rounded-md border border-dashed border-accent-ink bg-surface p-3"
    >
      <p className="flex flex-wrap items-center gap-2 text-[13px] text-muted">
        <Badge tone="accent">Pending</Badge>
        <span>{place}</span>
        <span className="ml-auto flex gap-1">
          <Button size="sm" variant="ghost" onClick={() => set({ isEdited: true })}>
            Edit
          </Button>
          <Button size="sm" variant="ghost" onClick={discard}>
            Delete
          </Button>
        </span>
      </p>
      {isOutdated && (
        <Alert tone="warn">
          Its lines are gone from the newest commit. It will be published as a comment on the file.
        </Alert>
      )}
      {body.trim() !== "" && <Markdown text={body} isGrowing={false} />}
      {suggestion !== null && <SuggestionView before={before} after={suggestion} />}
    </article>
  );
}
