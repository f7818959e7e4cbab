import { useInfiniteQuery, type UseInfiniteQueryResult } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { ReactElement, ReactNode } from "react";
import type { ProjectMerge } from "#shared/api/merges.js";
import type { WorkspaceItem } from "#shared/api/workspaces.js";
import { paths } from "../../paths.js";
import { Badge } from "../../ui/badge.js";
import { Button } from "../../ui/button.js";
import { Card } from "../../ui/card.js";
import { CommitId } from "../../ui/copy-button.js";
import { countOf, formatNumber } from "../../ui/number.js";
import { PlainText } from "../../ui/plain-text.js";
import { Skeleton } from "../../ui/states.js";
import { Table } from "../../ui/table.js";
import { Time } from "../../ui/time.js";
import { QueryError } from "../shell/query-state.js";
import { actLabels } from "../workspaces/resolution-labels.js";
import { WorkspaceStatus } from "../workspaces/workspace-status.js";
import { projectMergePagesQuery, workspacePagesQuery } from "./queries.js";

const mono = "font-mono text-[13px]";

/** The workspaces of a project: where each agent stands. */
export function ProjectWorkspaces({ projectId }: { projectId: string }): ReactElement {
  const workspaces = useInfiniteQuery(workspacePagesQuery(projectId));
  const rows = workspaces.data?.pages.flatMap((page) => page.rows) ?? [];
  return (
    <Card title="Workspaces">
      <Pages
        query={workspaces}
        isEmpty={rows.length === 0}
        empty="No agent has a workspace here yet."
      >
        <Table
          label="Workspaces"
          rows={rows}
          rowKey={(workspace) => workspace.agent_id}
          columns={[
            {
              name: "Agent",
              renderCell: ({ agent_id, agent_name }) => (
                <Link {...paths.workspace(agent_id)} className="text-accent-ink hover:underline">
                  {agent_name}
                </Link>
              ),
            },
            {
              name: "Status",
              renderCell: ({ status }) => <WorkspaceStatus status={status} />,
            },
            {
              name: "Base branch",
              renderCell: ({ base_branch }) => <PlainText value={base_branch} className={mono} />,
            },
            {
              name: "Head",
              renderCell: ({ head_commit }) =>
                head_commit === null ? "None" : <CommitId sha={head_commit} />,
            },
            { name: "Unmerged commits", isNumber: true, renderCell: renderUnmerged },
            { name: "Updated", renderCell: ({ updated_at }) => <Time value={updated_at} /> },
          ]}
        />
      </Pages>
    </Card>
  );
}

function renderUnmerged({ unmerged_commits: count }: WorkspaceItem): ReactNode {
  if (count === null) return <span className="text-muted">None</span>;
  return <span className="tabular-nums">{formatNumber(count)}</span>;
}

/** What was merged into branches of a project, newest first. */
export function ProjectMerges({ projectId }: { projectId: string }): ReactElement {
  const merges = useInfiniteQuery(projectMergePagesQuery(projectId));
  const rows = merges.data?.pages.flatMap((page) => page.rows) ?? [];
  return (
    <Card title="Merges">
      <Pages query={merges} isEmpty={rows.length === 0} empty="Nothing was merged yet.">
        <Table
          label="Merges"
          rows={rows}
          rowKey={(merge) => merge.id}
          columns={[
            { name: "Merge", renderCell: renderMerge },
            {
              name: "Agent",
              renderCell: ({ agent_id, agent_name }) => (
                <Link {...paths.workspace(agent_id)} className="text-accent-ink hover:underline">
                  {agent_name}
                </Link>
              ),
            },
            {
              name: "Into",
              renderCell: ({ target_branch }) => (
                <PlainText value={target_branch} className={mono} />
              ),
            },
            {
              name: "Conflicts",
              renderCell: ({ total_conflicts: count }) =>
                count === 0 ? <span className="text-muted">None</span> : countOf(count, "conflict"),
            },
            { name: "Date", renderCell: ({ created_at }) => <Time value={created_at} /> },
          ]}
        />
      </Pages>
    </Card>
  );
}

function renderMerge(merge: ProjectMerge): ReactNode {
  const sha = merge.merge_commit_sha?.slice(0, 8) ?? "";
  return (
    <span className="inline-flex flex-wrap items-center gap-2">
      <Link
        {...paths.merge(merge.agent_id, merge.id)}
        className="text-accent-ink hover:underline"
        aria-label={`${actLabels[merge.kind]} ${sha}`}
      >
        {actLabels[merge.kind]} <code className={mono}>{sha}</code>
      </Link>
      {merge.reverted_by !== null && <Badge tone="warn">reverted</Badge>}
    </span>
  );
}

interface PagesProps {
  query: Pick<
    UseInfiniteQueryResult,
    | "isPending"
    | "isError"
    | "error"
    | "refetch"
    | "hasNextPage"
    | "isFetchingNextPage"
    | "fetchNextPage"
  >;
  isEmpty: boolean;
  empty: string;
  children: ReactNode;
}

/** A table whose rows come page by page. */
function Pages({ query, isEmpty, empty, children }: PagesProps): ReactElement {
  if (query.isPending) return <Skeleton />;
  if (query.isError && isEmpty && query.error) {
    return <QueryError error={query.error} onRetry={() => void query.refetch()} />;
  }
  if (isEmpty) return <p className="text-muted">{empty}</p>;
  return (
    <div className="-m-4">
      {children}
      {query.hasNextPage && (
        <div className="border-t border-line p-3 text-center">
          <Button
            size="sm"
            pending={query.isFetchingNextPage}
            onClick={() => void query.fetchNextPage()}
          >
            Show more
          </Button>
        </div>
      )}
    </div>
  );
}
