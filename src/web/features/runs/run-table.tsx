import { useInfiniteQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { ReactElement } from "react";
import { paths } from "../../paths.js";
import { Button } from "../../ui/button.js";
import { PlainText, visible } from "../../ui/plain-text.js";
import { Skeleton } from "../../ui/states.js";
import { Table } from "../../ui/table.js";
import { Time } from "../../ui/time.js";
import { QueryError } from "../shell/query-state.js";
import { lineOf } from "./command-line.js";
import { durationText } from "./figures.js";
import { runPagesQuery } from "./queries.js";
import { RunStatus } from "./run-status.js";

/** An agent's runs, newest first. */
export function RunTable({ agentId }: { agentId: string }): ReactElement {
  const runs = useInfiniteQuery(runPagesQuery(agentId));
  if (runs.isPending) return <Skeleton />;
  if (runs.isError && !runs.data) {
    return <QueryError error={runs.error} onRetry={() => void runs.refetch()} what="The runs" />;
  }
  const rows = runs.data?.pages.flatMap((page) => page.rows) ?? [];
  if (rows.length === 0) {
    return <p className="text-muted">No runs yet. Start one with Run a Command.</p>;
  }
  return (
    <div className="-m-4">
      <Table
        label="Runs"
        rows={rows}
        rowKey={({ id }) => id}
        columns={[
          {
            name: "Command",
            renderCell: (run) => (
              <Link
                {...paths.run(agentId, run.id)}
                className="line-clamp-2 font-mono text-[13px] text-accent-ink [overflow-wrap:anywhere] hover:underline"
              >
                {run.command === null ? "Leased run" : visible(lineOf(run.command))}
              </Link>
            ),
          },
          { name: "Status", renderCell: (run) => <RunStatus run={run} /> },
          {
            name: "Started by",
            renderCell: (run) =>
              run.started_by === null ? "Unknown" : <PlainText value={run.started_by.name} />,
          },
          {
            name: "Started",
            renderCell: (run) =>
              run.started_at === null ? "Not yet" : <Time value={run.started_at} />,
          },
          {
            name: "Duration",
            isNumber: true,
            renderCell: (run) => (run.ended_at === null ? "–" : durationText(run.runtime_seconds)),
          },
          { name: "Exit code", isNumber: true, renderCell: (run) => run.exit_code ?? "–" },
          {
            name: "Checkpoint",
            renderCell: ({ checkpoint }) =>
              checkpoint?.commit_sha ? (
                <Link
                  {...paths.commit(agentId, checkpoint.commit_sha)}
                  className="font-mono text-[13px] text-accent-ink hover:underline"
                >
                  {checkpoint.commit_sha.slice(0, 12)}
                </Link>
              ) : (
                "–"
              ),
          },
        ]}
      />
      {runs.hasNextPage && (
        <div className="p-4">
          <Button pending={runs.isFetchingNextPage} onClick={() => void runs.fetchNextPage()}>
            Show older
          </Button>
        </div>
      )}
    </div>
  );
}
