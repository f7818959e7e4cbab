import { useInfiniteQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { ReactElement, ReactNode } from "react";
import type { WorkspaceItem } from "#shared/api/code/workspaces.js";
import { useListPages } from "../../../lists/list-pages.js";
import { paths } from "../../../paths/paths.js";
import { Card } from "../../../ui/layout/card.js";
import { CommitId } from "../../../ui/feedback/copy-button.js";
import { ListTable } from "../../../ui/tables/list-table.js";
import type { Sorting } from "../../../ui/tables/list-view.js";
import { formatNumber } from "../../../ui/text/number.js";
import { PlainText } from "../../../ui/text/plain-text.js";
import { RelativeTime } from "../../../ui/text/time.js";
import { WorkspaceStatus } from "../parts/workspaces/workspace-status.js";
import { workspacePagesQuery } from "../../../api/queries/code/projects.js";
import { PagedList } from "./paged-list.js";

const workspaceSortings: readonly Sorting<WorkspaceItem>[] = [
  { key: "agent", label: "Agent", by: ({ agent_name }) => agent_name },
  { key: "status", label: "Status", by: ({ status }) => status },
  { key: "unmerged", label: "Unmerged commits", by: ({ unmerged_commits }) => unmerged_commits },
  { key: "updated", label: "Updated", by: ({ updated_at }) => updated_at },
];

/** The workspaces of a project. */
export function WorkspacesCard({ projectId }: { projectId: string }): ReactElement {
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
        empty="No workspaces yet. Create one in the list of agents."
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
              renderCell: ({ base_branch }) => (
                <PlainText value={base_branch} className="font-mono text-[13px]" />
              ),
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
              renderCell: ({ updated_at }) => <RelativeTime value={updated_at} />,
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
