import { Link } from "@tanstack/react-router";
import type { ReactElement } from "react";
import type { EnvironmentBuild } from "#shared/api/execution/environments.js";
import { useCursorPages } from "../../../../api/cursor-pages.js";
import { buildList } from "../../../../api/queries/execution/environments.js";
import { Waiting } from "../../../../components/await.js";
import { formatBinaryBytes, formatDuration } from "../../../execution/parts/runs/format.js";
import { RunDuration } from "../../../execution/parts/runs/run-duration.js";
import { paths } from "../../../../paths/paths.js";
import { CommitId } from "../../../../ui/feedback/copy-button.js";
import { StatusDot, type Tone } from "../../../../ui/feedback/badge.js";
import { PageSteps } from "../../../../ui/tables/list-view.js";
import { Table } from "../../../../ui/tables/table.js";
import { countOf } from "../../../../ui/text/number.js";
import { PlainText } from "../../../../ui/text/plain-text.js";
import { RelativeTime } from "../../../../ui/text/time.js";

const states: Record<EnvironmentBuild["status"], readonly [tone: Tone, name: string]> = {
  queued: ["accent", "Queued"],
  running: ["good", "Running"],
  succeeded: ["good", "Succeeded"],
  failed: ["bad", "Failed"],
  cancelled: ["neutral", "Canceled"],
};

/** The builds of a project's environment, newest first. */
export function BuildTable({ projectId }: { projectId: string }): ReactElement {
  const { query, rows, place } = useCursorPages(buildList(projectId));
  if (query.data === undefined) return <Waiting query={query} what="The builds" />;
  if (rows.length === 0) return <p className="text-muted">No builds yet.</p>;
  return (
    <div className="-mx-4 -mb-4 overflow-hidden rounded-b-lg border-t border-line">
      <Table
        label="Builds"
        rows={rows}
        rowKey={({ id }) => id}
        columns={[
          {
            name: "Build",
            renderCell: ({ id, run_id }) =>
              run_id === null ? (
                <code className="font-mono text-[13px]">{id.slice(-8)}</code>
              ) : (
                <Link
                  {...paths.build(projectId, run_id)}
                  className="inline-flex min-h-6 items-center font-mono text-[13px] text-accent-ink hover:underline"
                >
                  {run_id.slice(-8)}
                </Link>
              ),
          },
          {
            name: "Status",
            renderCell: ({ status }) => {
              const [tone, name] = states[status];
              return <StatusDot tone={tone}>{name}</StatusDot>;
            },
          },
          {
            name: "Key",
            renderCell: ({ key }) => (
              <code title={key} className="font-mono text-[13px]">
                {key.slice(0, 12)}
              </code>
            ),
          },
          { name: "Commit", renderCell: ({ commit_sha }) => <CommitId sha={commit_sha} /> },
          { name: "Created", renderCell: ({ created_at }) => <RelativeTime value={created_at} /> },
          {
            name: "Duration",
            isNumber: true,
            renderCell: (build) => <BuildDuration build={build} readAt={query.dataUpdatedAt} />,
          },
          { name: "Layer", isNumber: true, renderCell: layerText },
        ]}
        renderDetails={(build) =>
          build.detail !== null || build.left_out.length > 0 ? (
            <div className="flex flex-col gap-2">
              {build.detail !== null && <PlainText value={build.detail} multiline />}
              {build.left_out.length > 0 && <LeftOut build={build} />}
            </div>
          ) : undefined
        }
      />
      <PageSteps label="Pages of builds" {...place} />
    </div>
  );
}

function BuildDuration({
  build: { started_at, ended_at },
  readAt,
}: {
  build: EnvironmentBuild;
  readAt: number;
}): ReactElement | string {
  if (started_at === null) return "–";
  const seconds =
    ((ended_at === null ? readAt : Date.parse(ended_at)) - Date.parse(started_at)) / 1000;
  return ended_at === null ? (
    <RunDuration seconds={Math.max(0, seconds)} readAt={readAt} />
  ) : (
    formatDuration(seconds)
  );
}

function layerText({ status, layer_bytes }: EnvironmentBuild): string {
  if (layer_bytes !== null) return formatBinaryBytes(layer_bytes);
  return status === "succeeded" ? "Removed" : "–";
}

/** The paths that the script left and that are not in the layer. */
function LeftOut({
  build: { left_out: leftOut, left_out_count: count },
}: {
  build: EnvironmentBuild;
}): ReactElement {
  const were = count === 1 ? "was" : "were";
  return (
    <details>
      <summary className="cursor-pointer">
        {countOf(count, "path")} {were} left out
      </summary>
      <p className="mt-2 text-muted">
        Git does not ignore {count === 1 ? "it" : "them"}. Add {count === 1 ? "it" : "them"} to
        .gitignore to have {count === 1 ? "it" : "them"} in new workspaces.
      </p>
      <ul className="mt-2 flex flex-col gap-1">
        {leftOut.map((path) => (
          <li key={path}>
            <PlainText value={path} className="font-mono text-[13px]" />
          </li>
        ))}
        {count > leftOut.length && <li>…</li>}
      </ul>
    </details>
  );
}
