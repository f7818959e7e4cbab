import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { ReactElement, ReactNode } from "react";
import type { Agent } from "#shared/api/agents.js";
import { useListView } from "../../list-search.js";
import { paths } from "../../paths.js";
import { ListToolbar, NothingFound, Pager, type Sorting } from "../../ui/list-view.js";
import { PlainText } from "../../ui/plain-text.js";
import { Skeleton } from "../../ui/states.js";
import { Table } from "../../ui/table.js";
import { Time } from "../../ui/time.js";
import { useRefusal } from "../organizations/permissions.js";
import { projectsQuery } from "../projects/queries.js";
import { QueryError } from "../shell/query-state.js";
import { AgentStatus } from "./agent-status.js";
import { CreateWorkspaceButton } from "./create-workspace-button.js";
import { type AgentFilter, agentsQuery } from "./queries.js";

const sortings: readonly Sorting<Agent>[] = [
  { key: "name", label: "Agent", by: ({ name }) => name },
  { key: "status", label: "Status", by: ({ status }) => status },
  { key: "branch", label: "Branch", by: ({ workspace_branch }) => workspace_branch },
  { key: "created", label: "Created", by: ({ created_at }) => created_at },
];
const textOf = ({ name, description, workspace_branch, status }: Agent): string =>
  [name, description, workspace_branch, status].join(" ");

interface AgentListProps {
  filter: AgentFilter;
  empty: ReactNode;
  /** Names each agent's project: where the list is of more than one. */
  withProject?: boolean;
}

export function AgentList({ filter, empty, withProject = false }: AgentListProps): ReactElement {
  const agents = useQuery(agentsQuery(filter));
  const rows = agents.data ?? [];
  const orgId = filter.organization_id ?? "";
  const projects = useQuery({ ...projectsQuery(orgId), enabled: withProject && orgId !== "" });
  const projectNames = new Map(projects.data?.map(({ id, name }) => [id, name]));
  const refusal = useRefusal(rows[0]?.organization_id);
  const view = useListView(rows, { sortings, textOf });

  if (agents.isPending || projects.isLoading) return <Skeleton />;
  if (agents.isError && rows.length === 0) {
    return <QueryError error={agents.error} onRetry={() => void agents.refetch()} />;
  }
  if (rows.length === 0) return <div className="text-muted">{empty}</div>;
  return (
    <div className="-m-4">
      <div className="p-4 empty:hidden">
        <ListToolbar view={view} noun="agent" placeholder="Name, branch or status" />
      </div>
      {view.found === 0 && <NothingFound view={view} noun="agent" />}
      <Table
        label="Agents"
        view={view}
        rows={view.shown}
        rowKey={(agent) => agent.id}
        columns={[
          { name: "Agent", sortKey: "name", renderCell: (agent) => <AgentName agent={agent} /> },
          {
            name: "Status",
            sortKey: "status",
            renderCell: (agent) => <AgentStatus status={agent.status} />,
          },
          ...(withProject
            ? [
                {
                  name: "Project",
                  renderCell: (agent: Agent) => (
                    <ProjectName
                      projectId={agent.project_id}
                      name={projectNames.get(agent.project_id)}
                    />
                  ),
                },
              ]
            : []),
          {
            name: "Branch",
            sortKey: "branch",
            renderCell: (agent) =>
              agent.workspace_branch === null ? (
                <span className="text-muted">None</span>
              ) : (
                <PlainText value={agent.workspace_branch} className="font-mono text-[13px]" />
              ),
          },
          {
            name: "Created",
            sortKey: "created",
            renderCell: (agent) => <Time value={agent.created_at} />,
          },
          {
            name: "Workspace",
            renderCell: (agent) =>
              agent.workspace_branch === null ? (
                <CreateWorkspaceButton
                  agentId={agent.id}
                  agentName={agent.name}
                  disabledReason={refusal("agent:workspace:write")}
                />
              ) : (
                <Link
                  {...paths.workspace(agent.id)}
                  title={`Workspace of ${agent.name}`}
                  className="font-medium text-accent-ink hover:underline"
                >
                  Open workspace
                </Link>
              ),
          },
        ]}
      />
      <Pager view={view} label="Pages of agents" />
    </div>
  );
}

function AgentName({ agent }: { agent: Agent }): ReactElement {
  return (
    <div className="min-w-0">
      <Link {...paths.agent(agent.id)} className="font-medium text-accent-ink hover:underline">
        <PlainText value={agent.name} />
      </Link>
      {agent.description && (
        <div className="line-clamp-2 text-[13px] text-muted">
          <PlainText value={agent.description} />
        </div>
      )}
    </div>
  );
}

function ProjectName({
  projectId,
  name,
}: {
  projectId: string;
  name: string | undefined;
}): ReactElement {
  return (
    <Link {...paths.project(projectId)} className="text-accent-ink hover:underline">
      {name === undefined ? "…" : <PlainText value={name} />}
    </Link>
  );
}
