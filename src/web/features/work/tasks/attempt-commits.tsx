import { Link } from "@tanstack/react-router";
import type { ReactElement } from "react";
import { useCursorPages } from "../../../api/cursor-pages.js";
import { commitList } from "../../../api/queries/code/workspaces.js";
import { Waiting } from "../../../components/await.js";
import { paths } from "../../../paths/paths.js";
import { EmptyState } from "../../../ui/feedback/states.js";
import { PageSteps } from "../../../ui/tables/list-view.js";
import { PlainText } from "../../../ui/text/plain-text.js";
import { RelativeTime } from "../../../ui/text/time.js";
import { LineCounts } from "../parts/board/line-counts.js";

/** The commits of an attempt, newest first. */
export function AttemptCommits({ agentId }: { agentId: string }): ReactElement {
  const { query, rows, place } = useCursorPages(commitList(agentId, undefined));
  if (query.data === undefined) return <Waiting query={query} what="The commits" />;
  if (rows.length === 0) {
    return (
      <EmptyState title="No commits yet">
        Each turn of the agent that changes files ends with one.
      </EmptyState>
    );
  }
  return (
    <>
      <ul className="divide-y divide-line rounded-lg border border-line bg-surface">
        {rows.map((commit) => (
          <li
            key={commit.commit_sha}
            className="flex flex-wrap items-baseline justify-between gap-x-4 gap-y-0.5 px-4 py-2.5"
          >
            <Link
              {...paths.commit(agentId, commit.commit_sha)}
              className="line-clamp-2 min-w-0 basis-full font-medium text-accent-ink hover:underline"
            >
              <PlainText value={commit.message.split("\n")[0] ?? ""} />
            </Link>
            <span className="flex flex-wrap gap-x-3 text-[13px] text-muted">
              <span className="font-mono">{commit.commit_sha.slice(0, 12)}</span>
              <span>{commit.commit_type}</span>
              <LineCounts additions={commit.additions} deletions={commit.deletions} />
            </span>
            <span className="text-[13px] text-muted">
              <RelativeTime value={commit.created_at} />
            </span>
          </li>
        ))}
      </ul>
      <PageSteps label="Pages of commits" {...place} />
    </>
  );
}
