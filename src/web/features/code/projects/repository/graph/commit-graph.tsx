/* oxlint-disable jsx-a11y/prefer-tag-over-role -- a virtualized table needs the grid role with aria-rowcount */
import { useQuery } from "@tanstack/react-query";
import { type KeyboardEvent, type ReactElement, useMemo, useState } from "react";
import type { ProjectGraph } from "#shared/api/code/graph.js";
import type { Project } from "#shared/api/code/projects.js";
import { Button } from "../../../../../ui/actions/button.js";
import { useLongList } from "../../../../../ui/tables/long-list.js";
import { useMedia } from "../../../../../hooks/use-media.js";
import { formatNumber } from "../../../../../ui/text/number.js";
import type { DenyReason } from "../../../../../access/deny-reason.js";
import { ResourceCard } from "../../../../../components/resource-card.js";
import { CommitDot, dotLabels, type DotKind } from "./commit-dot.js";
import { sizeOf } from "./graph-lines.js";
import { GraphCommitRow } from "./graph-row.js";
import { layoutGraph } from "./lanes.js";
import { graphQuery, shownCommits } from "../../../../../api/queries/code/graph.js";

const most = 2000;

interface CommitGraphProps {
  project: Project;
  refusal: DenyReason;
}

/** The newest commits of the default branch and of the workspaces, with their ancestry lines. */
export function CommitGraph({ project, refusal }: CommitGraphProps): ReactElement | null {
  const [limit, setLimit] = useState(shownCommits);
  const isReady = project.status === "ready";
  const graph = useQuery({ ...graphQuery(project.id, limit), enabled: isReady });
  if (!isReady) return null;
  const older = Math.min(limit * 3, most);
  return (
    <ResourceCard title="Commit graph" actions={<Legend />} query={graph} isFlush>
      {(data) => (
        <>
          <Picture graph={data} canOpen={refusal("agent:workspace:read") === undefined} />
          {data.has_older && (
            <div className="border-t border-line p-3 text-center">
              {limit < most ? (
                <Button size="sm" pending={graph.isPlaceholderData} onClick={() => setLimit(older)}>
                  Show older
                </Button>
              ) : (
                <p className="text-[13px] text-muted">
                  The newest {formatNumber(most)} commits; clone the repository to see all.
                </p>
              )}
            </div>
          )}
        </>
      )}
    </ResourceCard>
  );
}

function Picture({ graph, canOpen }: { graph: ProjectGraph; canOpen: boolean }): ReactElement {
  const { commits, branches } = graph;
  const isPhone = useMedia("(width < 48rem)");
  const isNarrow = useMedia("(width < 80rem)");
  const layout = useMemo(
    () => layoutGraph(commits, branches.find(({ is_default }) => is_default)?.commit_sha),
    [commits, branches],
  );
  const endingAt = useMemo(() => {
    const ending = new Map<string, ProjectGraph["branches"]>();
    for (const branch of branches) {
      ending.set(branch.commit_sha, [...(ending.get(branch.commit_sha) ?? []), branch]);
    }
    return ending;
  }, [branches]);
  const size = useMemo(
    () => sizeOf(layout.width, isPhone ? 96 : 224, isNarrow ? 2 : 1),
    [layout.width, isPhone, isNarrow],
  );
  const shas = useMemo(() => commits.map(({ sha }) => sha), [commits]);
  const list = useLongList(shas, size.height);
  return (
    <div
      role="grid"
      aria-label="Commits, newest first"
      aria-rowcount={graph.has_older ? -1 : commits.length}
      tabIndex={-1}
      {...list.scroller}
      className="max-h-[36rem] overflow-auto -outline-offset-2"
    >
      <div
        {...list.inner}
        style={{ ...list.inner.style, minWidth: size.width + minTextWidth }}
        role="rowgroup"
      >
        {list.drawn.map((at) => {
          const [commit, row] = [commits[at], layout.rows[at]];
          return (
            commit &&
            row && (
              <div
                key={commit.sha}
                role="row"
                aria-rowindex={at + 1}
                {...list.rowProps(at)}
                onKeyDown={openByEnter}
                className="absolute inset-x-0 -outline-offset-2 focus-within:bg-sunken hover:bg-sunken"
              >
                <GraphCommitRow
                  commit={commit}
                  row={row}
                  size={size}
                  branches={endingAt.get(commit.sha)}
                  canOpen={canOpen}
                />
              </div>
            )
          );
        })}
      </div>
    </div>
  );
}

/** Minimum width of a commit's text, in pixels. */
const minTextWidth = 200;

/** The row has the focus, so that screen readers read all of it; Enter opens its link. */
function openByEnter({ key, target, currentTarget }: KeyboardEvent): void {
  if (key === "Enter" && target === currentTarget) currentTarget.querySelector("a")?.click();
}

/** The legend of the marks. */
function Legend(): ReactElement {
  return (
    <ul aria-label="Marks" className="flex flex-wrap gap-x-3 gap-y-1 text-[13px] text-muted">
      {(Object.keys(dotLabels) as DotKind[]).map((kind) => (
        <li key={kind} className="flex items-center gap-1">
          <svg aria-hidden="true" width="16" height="16" className="text-muted">
            <CommitDot kind={kind} x={8} y={8} />
          </svg>
          {dotLabels[kind]}
        </li>
      ))}
    </ul>
  );
}
