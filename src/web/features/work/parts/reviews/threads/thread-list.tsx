import { useQueryClient } from "@tanstack/react-query";
import { type ReactElement, useState } from "react";
import type { Thread } from "#shared/api/work/threads.js";
import { client } from "../../../../../api/client.js";
import { taskChangesKey } from "../../../../../api/queries/work/reviews.js";
import { openTasksKey } from "../../../../../api/queries/work/tasks.js";
import { useApiMutation } from "../../../../../api/use-mutation.js";
import { Button } from "../../../../../ui/actions/button.js";
import { Alert } from "../../../../../ui/feedback/alert.js";
import { Badge } from "../../../../../ui/feedback/badge.js";
import { countOf } from "../../../../../ui/text/number.js";
import { PlainText } from "../../../../../ui/text/plain-text.js";
import { useReviewScope } from "../review-scope.js";
import { placeText } from "./talk.js";

/** Rows that are drawn at first; more on demand. */
const rowsAtFirst = 50;

/** All threads of a task, open ones first; each row leads to its thread. */
export function ThreadList({ threads }: { threads: readonly Thread[] }): ReactElement | null {
  const { goToThread } = useReviewScope();
  const [isOpen, setOpen] = useState(false);
  const [count, setCount] = useState(rowsAtFirst);
  if (threads.length === 0) return null;
  const open = threads.filter(({ resolved_at }) => resolved_at === null);
  const resolved = threads.filter(({ resolved_at }) => resolved_at !== null);
  const unchanged = resolved.filter((thread) => thread.resolved_without_change).length;
  const rows = [...open, ...resolved];
  return (
    <section aria-label="Threads" className="rounded-lg border border-line bg-surface">
      <header className="flex flex-wrap items-center gap-x-3 gap-y-1 px-3 py-1.5 text-[13px]">
        <h3 className="font-medium">
          {open.length === 0 ? "No open threads" : countOf(open.length, "open thread")}
        </h3>
        {resolved.length > 0 && <span className="text-muted">{resolved.length} resolved</span>}
        {unchanged > 0 && <Badge tone="warn">{unchanged} resolved without a change</Badge>}
        <span className="ml-auto flex flex-wrap items-center gap-2">
          <ApplyAll threads={open} />
          <Button size="sm" variant="ghost" aria-expanded={isOpen} onClick={() => setOpen(!isOpen)}>
            {isOpen ? "Hide threads" : "Show threads"}
          </Button>
        </span>
      </header>
      {isOpen && (
        <ul className="divide-y divide-line border-t border-line">
          {rows.slice(0, count).map((thread) => (
            <li key={thread.id}>
              <button
                type="button"
                onClick={() => goToThread(thread)}
                className="flex w-full flex-col gap-0.5 px-3 py-2 text-left hover:bg-sunken"
              >
                <span className="flex flex-wrap items-center gap-2 text-[13px] text-muted">
                  <StatusBadge thread={thread} />
                  <PlainText value={placeText(thread.outdated ? thread.original : thread)} />
                  {thread.comments[0]?.author.type === "agent" && (
                    <Badge>
                      Agent: <PlainText value={thread.comments[0].author.name} />
                    </Badge>
                  )}
                  {thread.comments.length > 1 && (
                    <span>{countOf(thread.comments.length - 1, "reply", "replies")}</span>
                  )}
                </span>
                <span className="line-clamp-1">
                  <PlainText value={excerptOf(thread)} />
                </span>
              </button>
            </li>
          ))}
          {rows.length > count && (
            <li className="px-3 py-2">
              <Button size="sm" onClick={() => setCount(count + 200)}>
                Show more threads
              </Button>
            </li>
          )}
        </ul>
      )}
    </section>
  );
}

function StatusBadge({ thread }: { thread: Thread }): ReactElement {
  if (thread.resolved_at === null) {
    return thread.outdated ? (
      <Badge tone="warn">Open, outdated</Badge>
    ) : (
      <Badge tone="accent">Open</Badge>
    );
  }
  return thread.resolved_without_change ? (
    <Badge tone="warn">Resolved without a change</Badge>
  ) : (
    <Badge tone="good">Resolved</Badge>
  );
}

function excerptOf({ comments }: Thread): string {
  const text = comments[0]?.body.trim() ?? "";
  return text === "" ? "Suggested change" : (text.split("\n")[0] ?? "").slice(0, 200);
}

/** Commits all open suggestions together. */
function ApplyAll({ threads }: { threads: readonly Thread[] }): ReactElement | null {
  const { task, reason } = useReviewScope();
  const queries = useQueryClient();
  const ids = threads
    .filter(({ suggestion }) => suggestion?.state === "open")
    .map(({ id }) => id)
    .slice(0, 100);
  const apply = useApiMutation({
    run: (thread_ids: string[], headers) =>
      client.threads.applyAll({ params: { task_id: task.id }, body: { thread_ids } }, { headers }),
    refresh: [openTasksKey],
    onDone: () => void queries.invalidateQueries({ queryKey: taskChangesKey(task.id) }),
    successMessage: ({ threads: done }) => `${countOf(done.length, "suggestion")} applied`,
  });
  if (ids.length < 2) return null;
  return (
    <>
      {apply.error && <Alert live>{apply.error.message}</Alert>}
      <Button
        size="sm"
        pending={apply.pending}
        disabledReason={reason}
        onClick={() => apply.submit(ids)}
      >
        Apply {ids.length} suggestions
      </Button>
    </>
  );
}
