import { Link } from "@tanstack/react-router";
import type { ReactElement } from "react";
import type { Agent } from "#shared/api/work/agents.js";
import { useCursorPages } from "../../../../api/cursor-pages.js";
import { paths } from "../../../../paths/paths.js";
import { Button } from "../../../../ui/actions/button.js";
import { PageSteps } from "../../../../ui/tables/list-view.js";
import { PlainText } from "../../../../ui/text/plain-text.js";
import { Table } from "../../../../ui/tables/table.js";
import { RelativeTime } from "../../../../ui/text/time.js";
import { Waiting } from "../../../../components/await.js";
import { formatDuration } from "../../../execution/parts/runs/format.js";
import { runList } from "../../../../api/queries/execution/runs.js";
import { RunDuration } from "../../../execution/parts/runs/run-duration.js";
import type { RunSearch } from "../../../../api/queries/execution/runs.js";
import { RunAgain } from "../../../execution/parts/runs/run-again.js";
import { RunStatus } from "../../../execution/parts/runs/run-status.js";
import { runTitle } from "../../../execution/parts/runs/run-title.js";

interface RunTableProps {
  agent: Agent;
  /** Why no run can start. */
  disabledReason: string | undefined;
  search: RunSearch;
  onSearch: (search: RunSearch) => void;
}

/** An agent's runs, newest first by default. */
export function RunTable({ agent, disabledReason, search, onSearch }: RunTableProps): ReactElement {
  const agentId = agent.id;
  const { query: runs, rows, place } = useCursorPages(runList(agentId, search));
  if (runs.data === undefined) return <Waiting query={runs} what="The runs" />;
  if (rows.length === 0) {
    return search.run === undefined ? (
      <p className="text-muted">No runs yet. Start one with Start agent.</p>
    ) : (
      <div className="flex flex-col items-center gap-3 py-6 text-center">
        <p className="text-muted">No run of this agent is in this list.</p>
        <Button onClick={() => onSearch({ ...search, run: undefined })}>Show all runs</Button>
      </div>
    );
  }
  const view = {
    state: { q: "", page: 1, sort: search.sort ?? "" },
    // Only one column is sortable; descending is the default.
    change: ({ sort }: { sort?: string }) =>
      onSearch({ ...search, sort: sort === "started" ? "started" : undefined }),
  };
  return (
    <div className="-m-4">
      <Table
        label="Runs"
        view={view}
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
                {runTitle(run)}
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
            sortKey: "started",
            renderCell: (run) =>
              run.started_at === null ? "Not yet" : <RelativeTime value={run.started_at} />,
          },
          {
            name: "Duration",
            isNumber: true,
            renderCell: (run) =>
              run.started_at === null ? (
                "–"
              ) : run.ended_at === null ? (
                <RunDuration seconds={run.runtime_seconds} readAt={runs.dataUpdatedAt} />
              ) : (
                formatDuration(run.runtime_seconds)
              ),
          },
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
          {
            name: "Actions",
            renderCell: (run) =>
              run.kind === "managed" &&
              run.ended_at !== null && (
                <div className="flex">
                  <RunAgain agent={agent} run={run} isCompact disabledReason={disabledReason} />
                </div>
              ),
          },
        ]}
      />
      <PageSteps label="Pages of runs" {...place} />
    </div>
  );
}
