import { useQuery } from "@tanstack/react-query";
import { type ReactElement, useMemo, useState } from "react";
import type { ProjectGraph } from "#shared/api/graph.js";
import type { Project } from "#shared/api/projects.js";
import { Button } from "../../ui/button.js";
import { Card } from "../../ui/card.js";
import { formatNumber } from "../../ui/number.js";
import { Skeleton } from "../../ui/states.js";
import type { Refusal } from "../organizations/permissions.js";
import { QueryError } from "../shell/query-state.js";
import { CommitDot, dotLabels, type DotKind } from "./commit-dot.js";
import { GraphCommitRow } from "./graph-row.js";
import { layOut } from "./lanes.js";
import { graphQuery } from "./queries.js";

const first = 50;
const most = 2000;

interface CommitGraphProps {
  project: Project;
  refusal: Refusal;
}

/** The newest commits of the default branch and of the workspaces, with the lines between them. */
export function CommitGraph({ project, refusal }: CommitGraphProps): ReactElement | null {
  const [limit, setLimit] = useState(first);
  const isReady = project.status === "ready";
  const graph = useQuery({ ...graphQuery(project.id, limit), enabled: isReady });
  if (!isReady) return null;
  const older = Math.min(limit * 3, most);
  return (
    <Card title="Commit Graph" actions={<Legend />}>
      {graph.isPending ? (
        <Skeleton />
      ) : graph.isError && graph.data === undefined ? (
        <QueryError error={graph.error} onRetry={() => void graph.refetch()} />
      ) : (
        <div className="-m-4">
          <Picture graph={graph.data} canOpen={refusal("agent:workspace:read") === undefined} />
          {graph.data.has_older && (
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
        </div>
      )}
    </Card>
  );
}

function Picture({ graph, canOpen }: { graph: ProjectGraph; canOpen: boolean }): ReactElement {
  const { commits, branches } = graph;
  const layout = useMemo(
    () => layOut(commits, branches.find(({ is_default }) => is_default)?.commit_sha),
    [commits, branches],
  );
  const endingAt = useMemo(() => {
    const ending = new Map<string, ProjectGraph["branches"]>();
    for (const branch of branches) {
      ending.set(branch.commit_sha, [...(ending.get(branch.commit_sha) ?? []), branch]);
    }
    return ending;
  }, [branches]);
  return (
    <section
      aria-label="Commits, newest first"
      // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- the keyboard scrolls it
      tabIndex={0}
      className="max-h-[32rem] overflow-auto py-1 -outline-offset-2"
    >
      <ol className="min-w-max md:min-w-0">
        {commits.map((commit, at) => {
          const row = layout.rows[at];
          return (
            row && (
              <GraphCommitRow
                key={commit.sha}
                commit={commit}
                row={row}
                lanes={layout.width}
                branches={endingAt.get(commit.sha)}
                canOpen={canOpen}
              />
            )
          );
        })}
      </ol>
    </section>
  );
}

/** Which mark is which type. */
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
