import { useInfiniteQuery, type UseInfiniteQueryResult } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { ReactElement, ReactNode } from "react";
import type { ProjectMerge } from "#shared/api/projects/merges.js";
import type { WorkspaceItem } from "#shared/api/projects/workspaces.js";
import { useListPages } from "../../lists/list-pages.js";
import { paths } from "../../paths/paths.js";
import { Badge } from "../../ui/feedback/badge.js";
import { Card } from "../../ui/layout/card.js";
import { CommitId } from "../../ui/actions/copy-button.js";
import { ListTable } from "../../ui/tables/list-table.js";
import type { Sorting } from "../../ui/tables/list-view.js";
import { countOf, formatNumber } from "../../ui/text/number.js";
import { PlainText } from "../../ui/text/plain-text.js";
import { Time } from "../../ui/text/time.js";
import { Waiting } from "../../components/await.js";
import { operationLabels } from "../../components/merges/resolution-labels.js";
import { WorkspaceStatus } from "../../components/workspaces/workspace-status.js";
import { projectMergePagesQuery, workspacePagesQuery } from "../../api/queries/projects.js";

const mono = "font-mono text-[13px]";

const workspaceSortings: readonly Sorting<WorkspaceItem>[] = [
  { key: "agent", label: "Agent", by: ({ agent_name }) => agent_name },
  { key: "status", label: "Status", by: ({ status }) => status },
  { key: "unmerged", label: "Unmerged commits", by: ({ unmerged_commits }) => unmerged_commits },
  { key: "updated", label: "Updated", by: ({ updated_at }) => updated_at },
];
const mergeSortings: readonly Sorting<ProjectMerge>[] = [
  { key: "agent", label: "Agent", by: ({ agent_name }) => agent_name },
  { key: "into", label: "Into", by: ({ target_branch }) => target_branch },
  { key: "conflicts", label: "Conflicts", by: ({ total_conflicts }) => total_conflicts },
  { key: "date", label: "Date", by: ({ created_at }) => created_at },
];

/** The workspaces of a project. */
export function ProjectWorkspaces({ projectId }: { projectId: string }): ReactElement {
  const workspaces = useInfiniteQuery(workspacePagesQuery(projectId));
  const view = useListPages(workspaces, {
    sortings: workspaceSortings,
    textOf: ({ agent_name, status, base_branch }) => `${agent_name} ${status} ${base_branch}`,
    prefix: "workspaces_",
  });
  return (
    <Card title="Workspaces">
      <PagedList
        query={workspaces}
        isEmpty={view.total === 0}
        empty="No workspaces yet. Create one in the list of agents above."
      >
        <ListTable
          label="Workspaces"
          noun="workspace"
          placeholder="Agent, status or base branch"
          view={view}
          rowKey={(workspace) => workspace.agent_id}
          columns={[
            {
              name: "Agent",
              sortKey: "agent",
              renderCell: ({ agent_id, agent_name }) => (
                <Link {...paths.workspace(agent_id)} className="text-accent-ink hover:underline">
                  <PlainText value={agent_name} />
                </Link>
              ),
            },
            {
              name: "Status",
              sortKey: "status",
              renderCell: ({ status }) => <WorkspaceStatus status={status} />,
            },
            {
              name: "Base Branch",
              renderCell: ({ base_branch }) => <PlainText value={base_branch} className={mono} />,
            },
            {
              name: "Head",
              renderCell: ({ head_commit }) =>
                head_commit === null ? "None" : <CommitId sha={head_commit} />,
            },
            {
              name: "Unmerged commits",
              sortKey: "unmerged",
              isNumber: true,
              renderCell: renderUnmerged,
            },
            {
              name: "Updated",
              sortKey: "updated",
              renderCell: ({ updated_at }) => <Time value={updated_at} />,
            },
          ]}
        />
      </PagedList>
    </Card>
  );
}

function renderUnmerged({ unmerged_commits: count }: WorkspaceItem): ReactNode {
  if (count === null) return <span className="text-muted">None</span>;
  return <span className="tabular-nums">{formatNumber(count)}</span>;
}

/** The merges into branches of a project, newest first. */
export function ProjectMerges({ projectId }: { projectId: string }): ReactElement {
  const merges = useInfiniteQuery(projectMergePagesQuery(projectId));
  const view = useListPages(merges, {
    sortings: mergeSortings,
    textOf: ({ agent_name, target_branch, merge_commit_sha, kind }) =>
      `${operationLabels[kind]} ${merge_commit_sha} ${agent_name} ${target_branch}`,
    prefix: "merges_",
  });
  return (
    <Card title="Merges">
      <PagedList
        query={merges}
        isEmpty={view.total === 0}
        empty="No merges yet. Merge a workspace on its page."
      >
        <ListTable
          label="Merges"
          noun="merge"
          placeholder="Commit, agent or branch"
          view={view}
          rowKey={(merge) => merge.id}
          columns={[
            { name: "Merge", renderCell: renderMerge },
            {
              name: "Agent",
              sortKey: "agent",
              renderCell: ({ agent_id, agent_name }) => (
                <Link {...paths.workspace(agent_id)} className="text-accent-ink hover:underline">
                  <PlainText value={agent_name} />
                </Link>
              ),
            },
            {
              name: "Into",
              sortKey: "into",
              renderCell: ({ target_branch }) => (
                <PlainText value={target_branch} className={mono} />
              ),
            },
            {
              name: "Conflicts",
              sortKey: "conflicts",
              renderCell: ({ total_conflicts: count }) =>
                count === 0 ? <span className="text-muted">None</span> : countOf(count, "conflict"),
            },
            {
              name: "Date",
              sortKey: "date",
              renderCell: ({ created_at }) => <Time value={created_at} />,
            },
          ]}
        />
      </PagedList>
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
        aria-label={`${operationLabels[merge.kind]} ${sha}`}
      >
        {operationLabels[merge.kind]} <code className={mono}>{sha}</code>
      </Link>
      {merge.reverted_by !== null && <Badge tone="warn">reverted</Badge>}
    </span>
  );
}

interface PagedListProps {
  query: Pick<UseInfiniteQueryResult, "data" | "error" | "refetch">;
  isEmpty: boolean;
  empty: string;
  children: ReactNode;
}

/** Loading, error and empty states of a paginated list. */
function PagedList({ query, isEmpty, empty, children }: PagedListProps): ReactElement {
  if (query.data === undefined) return <Waiting query={query} />;
  return isEmpty ? <p className="text-muted">{empty}</p> : <div className="-m-4">{children}</div>;
}
