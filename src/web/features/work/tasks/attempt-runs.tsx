import { Link } from "@tanstack/react-router";
import type { ReactElement } from "react";
import { useCursorPages } from "../../../api/cursor-pages.js";
import { runList } from "../../../api/queries/execution/runs.js";
import { Waiting } from "../../../components/await.js";
import { paths } from "../../../paths/paths.js";
import { EmptyState } from "../../../ui/feedback/states.js";
import { PageSteps } from "../../../ui/tables/list-view.js";
import { RelativeTime } from "../../../ui/text/time.js";
import { formatDuration } from "../../execution/parts/runs/format.js";
import { RunDuration } from "../../execution/parts/runs/run-duration.js";
import { RunStatus } from "../../execution/parts/runs/run-status.js";
import { runTitle } from "../../execution/parts/runs/run-title.js";

/** The runs of an attempt's agent, newest first. */
export function AttemptRuns({ agentId }: { agentId: string }): ReactElement {
  const { query, rows, place } = useCursorPages(runList(agentId, {}));
  if (query.data === undefined) return <Waiting query={query} what="The runs" />;
  if (rows.length === 0) {
    return <EmptyState title="No runs yet">The agent's program starts with the task.</EmptyState>;
  }
  return (
    <>
      <ul className="divide-y divide-line rounded-lg border border-line bg-surface">
        {rows.map((run) => (
          <li key={run.id} className="flex flex-col gap-0.5 px-4 py-2.5">
            <Link
              {...paths.run(agentId, run.id)}
              className="line-clamp-2 font-mono text-[13px] wrap-anywhere text-accent-ink hover:underline"
            >
              {runTitle(run)}
            </Link>
            <span className="flex flex-wrap gap-x-3 text-[13px] text-muted">
              <RunStatus run={run} />
              {run.started_at !== null && <RelativeTime value={run.started_at} />}
              {run.started_at !== null &&
                (run.ended_at === null ? (
                  <RunDuration seconds={run.runtime_seconds} readAt={query.dataUpdatedAt} />
                ) : (
                  <span>{formatDuration(run.runtime_seconds)}</span>
                ))}
            </span>
          </li>
        ))}
      </ul>
      <PageSteps label="Pages of runs" {...place} />
    </>
  );
}
