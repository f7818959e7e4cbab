import { useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { type ReactElement, useState } from "react";
import type { Thread } from "#shared/api/work/threads.js";
import { client } from "../../../../../api/client.js";
import { threadsKey } from "../../../../../api/queries/work/reviews.js";
import { openTasksKey } from "../../../../../api/queries/work/tasks.js";
import { useApiMutation } from "../../../../../api/use-mutation.js";
import { paths } from "../../../../../paths/paths.js";
import { Button } from "../../../../../ui/actions/button.js";
import { Alert } from "../../../../../ui/feedback/alert.js";
import { Badge } from "../../../../../ui/feedback/badge.js";
import { Markdown } from "../../../../../ui/text/markdown.js";
import { PlainText, visibleLines } from "../../../../../ui/text/plain-text.js";
import { RelativeTime } from "../../../../../ui/text/time.js";
import { useReviewScope } from "../review-scope.js";
import { PendingCard } from "./pending-card.js";
import { ReplyForm } from "./reply-form.js";
import { SuggestionView } from "./suggestion-view.js";
import { placeText } from "./talk.js";

export const threadElementId = (id: string): string => `thread-${id}`;

interface ThreadCardProps {
  thread: Thread;
  /** Whether it stands away from its lines. */
  withPlace?: boolean;
}

/** A conversation at lines or a file of a change, with what can be done in it. */
export function ThreadCard({ thread, withPlace = false }: ThreadCardProps): ReactElement {
  const { pending } = useReviewScope();
  const isResolved = thread.resolved_at !== null;
  const [isOpen, setOpen] = useState(!isResolved);
  const [wasResolved, setWasResolved] = useState(isResolved);
  if (wasResolved !== isResolved) {
    setWasResolved(isResolved);
    setOpen(!isResolved);
  }
  const replies = pending.filter(({ threadId }) => threadId === thread.id);
  const shownPlace = thread.outdated ? thread.original : thread;
  return (
    <article
      id={threadElementId(thread.id)}
      tabIndex={-1}
      aria-label={`Thread on ${placeText(shownPlace)}`}
      className="scroll-mt-32 overflow-clip rounded-md border border-line bg-surface"
    >
      <header className="flex flex-wrap items-center gap-x-2.5 gap-y-1 px-3 py-1.5 text-[13px] text-muted">
        {isResolved ? (
          <Badge tone={thread.resolved_without_change ? "warn" : "good"}>
            {thread.resolved_without_change ? "Resolved without a change" : "Resolved"}
          </Badge>
        ) : (
          <Badge tone="accent">Open</Badge>
        )}
        {thread.outdated && <Badge tone="warn">Outdated</Badge>}
        {(withPlace || thread.outdated) && (
          <span className="min-w-0 wrap-anywhere">
            {thread.outdated && "was on "}
            <PlainText value={placeText(shownPlace)} />
          </span>
        )}
        {isResolved && thread.resolved_by && (
          <span>
            by <PlainText value={thread.resolved_by.name} />
          </span>
        )}
        {isResolved && (
          <Button
            size="sm"
            variant="ghost"
            className="ml-auto"
            aria-expanded={isOpen}
            onClick={() => setOpen(!isOpen)}
          >
            {isOpen ? "Hide" : "Show"}
          </Button>
        )}
      </header>
      {isOpen && (
        <div className="flex flex-col gap-3 border-t border-line p-3">
          {thread.outdated && thread.original.text !== null && (
            <pre className="overflow-x-auto rounded-md bg-sunken px-3 py-1.5 font-mono text-xs leading-[1.6] whitespace-pre-wrap wrap-anywhere text-muted">
              {visibleLines(thread.original.text)}
            </pre>
          )}
          <Comments thread={thread} />
          {replies.map((comment) => (
            <PendingCard key={comment.key} comment={comment} />
          ))}
          <ThreadActions thread={thread} />
        </div>
      )}
    </article>
  );
}

function Comments({ thread }: { thread: Thread }): ReactElement {
  return (
    <ol className="flex flex-col gap-3">
      {thread.comments.map(({ id, author, body, suggestion, created_at }) => (
        <li key={id} className="flex flex-col gap-1">
          <p className="flex flex-wrap items-baseline gap-x-2 text-[13px] text-muted">
            <PlainText value={author.name} className="font-medium text-ink" />
            {author.type === "agent" && <Badge>Agent</Badge>}
            <RelativeTime value={created_at} />
          </p>
          {body.trim() !== "" && <Markdown text={body} isGrowing={false} />}
          {suggestion !== null && (
            <SuggestionView before={thread.original.text} after={suggestion} />
          )}
        </li>
      ))}
    </ol>
  );
}

function ThreadActions({ thread }: { thread: Thread }): ReactElement {
  const { attempt, reason, task } = useReviewScope();
  const queries = useQueryClient();
  const [isReplying, setReplying] = useState(false);
  const isResolved = thread.resolved_at !== null;
  const params = { thread_id: thread.id };
  const put = (changed: readonly Thread[]): void => {
    const byId = new Map(changed.map((each) => [each.id, each]));
    queries.setQueryData<Thread[]>(threadsKey(task.id), (all) =>
      all?.map((each) => byId.get(each.id) ?? each),
    );
    // A resolved thread folds, and its buttons with the focus are gone.
    requestAnimationFrame(() => {
      if (document.activeElement !== document.body) return;
      document.getElementById(threadElementId(thread.id))?.focus({ preventScroll: true });
    });
  };
  const resolve = useApiMutation({
    run: (resolved: boolean, headers) =>
      client.threads.update({ params, body: { resolved } }, { headers }),
    onDone: (changed) => put([changed]),
  });
  const apply = useApiMutation({
    run: (_input: undefined, headers) => client.threads.apply({ params }, { headers }),
    refresh: [openTasksKey, ["reviews", "changes", task.id]],
    onDone: ({ threads }) => put(threads),
    successMessage: () => "Suggestion applied",
  });
  const { suggestion } = thread;
  const error = apply.error ?? resolve.error;
  if (isReplying) {
    return (
      <ReplyForm
        thread={thread}
        onSent={(changed) => put([changed])}
        onClose={() => setReplying(false)}
      />
    );
  }
  return (
    <div className="flex flex-col gap-2">
      {error && <Alert live>{error.message}</Alert>}
      {suggestion?.state === "applied" && suggestion.commit_sha !== null && (
        <p className="text-[13px] text-muted">
          Applied in{" "}
          <Link
            {...paths.commit(attempt.agent_id, suggestion.commit_sha)}
            className="font-mono text-accent-ink hover:underline"
          >
            {suggestion.commit_sha.slice(0, 12)}
          </Link>
        </p>
      )}
      {suggestion?.state === "outdated" && (
        <p className="text-[13px] text-muted">
          The lines have changed, so the suggestion no longer applies.
        </p>
      )}
      <div className="flex flex-wrap items-center gap-2">
        <Button size="sm" disabledReason={reason} onClick={() => setReplying(true)}>
          Reply
        </Button>
        <Button
          size="sm"
          pending={resolve.pending}
          disabledReason={reason}
          onClick={() => resolve.submit(!isResolved)}
        >
          {isResolved ? "Reopen" : "Resolve"}
        </Button>
        {suggestion?.state === "open" && !isResolved && (
          <Button
            size="sm"
            pending={apply.pending}
            disabledReason={reason}
            onClick={() => apply.submit(undefined)}
          >
            Apply suggestion
          </Button>
        )}
      </div>
    </div>
  );
}
