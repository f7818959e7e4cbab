import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { ReactElement, ReactNode } from "react";
import type { Agent } from "#shared/api/agents/agents.js";
import { useFilters, useListView } from "../../lists/list-search.js";
import { paths } from "../../paths/paths.js";
import { Button } from "../../ui/actions/button.js";
import { ListToolbar, NothingFound, Pager, type Sorting } from "../../ui/tables/list-view.js";
import { PlainText } from "../../ui/text/plain-text.js";
import { Select } from "../../ui/fields/select.js";
import { Table } from "../../ui/tables/table.js";
import { Time } from "../../ui/text/time.js";
import { useDenyReason } from "../../access/permissions.js";
import { projectsQuery } from "../../api/queries/projects.js";
import { Waiting } from "../await.js";
import { AgentRuns } from "./agent-runs.js";
import { AgentStatus } from "./agent-status.js";
import { type Work, workOf, works, workSearchOf } from "../../paths/agent-work.js";
import { CreateWorkspaceButton } from "./create-workspace-button.js";
import { type AgentFilter, agentsQuery } from "../../api/queries/agents.js";

const sortings: readonly Sorting<Agent>[] = [
  { key: "name", label: "Agent", by: ({ name }) => name },
  { key: "status", label: "Status", by: workOf },
  {
    key: "run",
    label: "Run",
    // The longest-running agents first, then the queue in order.
    by: ({ current_run, queued_run }) =>
      current_run?.started_at ??
      (queued_run && `queue ${String(queued_run.queue_position).padStart(6, "0")}`),
  },
  { key: "branch", label: "Workspace", by: ({ workspace_branch }) => workspace_branch },
  { key: "created", label: "Created", by: ({ created_at }) => created_at },
];
const textOf = (agent: Agent): string => {
  const { name, description, task, workspace_branch, current_run, queued_run } = agent;
  const commands = [current_run, queued_run].flatMap((run) => run?.command ?? []);
  return [name, task?.title, description, workspace_branch, workOf(agent), ...commands].join(" ");
};
const workNames: Record<Work, string> = { running: "Running", queued: "Queued", idle: "Idle" };

interface AgentListProps {
  filter: AgentFilter;
  empty: ReactNode;
  /** Whether to name each agent's project, for lists of several projects. */
  withProject?: boolean;
}

export function AgentList({ filter, empty, withProject = false }: AgentListProps): ReactElement {
  const agents = useQuery(agentsQuery(filter));
  const rows = agents.data ?? [];
  const orgId = filter.organization_id ?? "";
  const projects = useQuery({ ...projectsQuery(orgId), enabled: withProject && orgId !== "" });
  const projectNames = new Map(projects.data?.map(({ id, name }) => [id, name]));
  const refusal = useDenyReason(rows[0]?.organization_id);
  const [work, setWork] = useWorkFilter();
  const ofWork = work === "" ? rows : rows.filter((agent) => workOf(agent) === work);
  const view = useListView(ofWork, { sortings, textOf });

  if (agents.data === undefined) return <Waiting query={agents} />;
  if (projects.isLoading) return <Waiting query={projects} />;
  if (rows.length === 0) return <div className="text-muted">{empty}</div>;
  return (
    <div className="-m-4">
      <div className="p-4 empty:hidden">
        <ListToolbar view={view} noun="agent" placeholder="Name, branch, command or status">
          {(rows.length > 5 || work !== "") && (
            <div className="w-36">
              <Select
                aria-label="Filter by status"
                value={work}
                onChange={(next) => setWork(next as Work | "")}
                options={[
                  { value: "", label: "Any status" },
                  ...works.map((value) => ({ value, label: workNames[value] })),
                ]}
              />
            </div>
          )}
        </ListToolbar>
      </div>
      {ofWork.length > 0 && view.found === 0 && <NothingFound view={view} noun="agent" />}
      {ofWork.length === 0 && work !== "" && (
        <div className="flex flex-col items-center gap-3 px-4 py-10 text-center">
          <p className="text-muted">No agent is {work}.</p>
          <Button onClick={() => setWork("")}>Show all agents</Button>
        </div>
      )}
      <Table
        label="Agents"
        view={view}
        rows={view.pageRows}
        rowKey={(agent) => agent.id}
        columns={[
          { name: "Agent", sortKey: "name", renderCell: (agent) => <AgentName agent={agent} /> },
          {
            name: "Status",
            sortKey: "status",
            renderCell: (agent) => <AgentStatus agent={agent} />,
          },
          {
            name: "Run",
            sortKey: "run",
            renderCell: (agent) => <AgentRuns agent={agent} readAt={agents.dataUpdatedAt} />,
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
            name: "Created",
            sortKey: "created",
            renderCell: (agent) => <Time value={agent.created_at} dateOnly />,
          },
          {
            name: "Workspace",
            sortKey: "branch",
            renderCell: (agent) =>
              agent.workspace_branch === null ? (
                <CreateWorkspaceButton
                  agentId={agent.id}
                  agentName={agent.name}
                  disabledReason={refusal("agent:workspace:write")}
                />
              ) : (
                <>
                  <Link
                    {...paths.workspace(agent.id)}
                    title={`Workspace of ${agent.name}`}
                    className="font-medium whitespace-nowrap text-accent-ink hover:underline"
                  >
                    Open workspace
                  </Link>
                  <span className="block font-mono text-[13px] text-muted">
                    <PlainText value={agent.workspace_branch} />
                  </span>
                </>
              ),
          },
        ]}
      />
      <Pager view={view} label="Pages of agents" />
    </div>
  );
}

/** The status filter, kept in the address. */
function useWorkFilter(): [Work | "", (work: Work | "") => void] {
  const [{ status = "" }, change] = useFilters(workSearchOf);
  return [status, (work) => change({ status: work || undefined })];
}

function AgentName({ agent }: { agent: Agent }): ReactElement {
  return (
    <div className="min-w-0 wide:min-w-20 wide:xl:min-w-40">
      <Link {...paths.agent(agent.id)} className="font-medium text-accent-ink hover:underline">
        <PlainText value={agent.name} />
      </Link>
      {agent.task && (
        <div className="line-clamp-2 text-[13px]">
          <PlainText value={agent.task.title} />
        </div>
      )}
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
    <Link
      {...paths.project(projectId)}
      className="text-accent-ink hover:underline wide:inline-block wide:min-w-20"
    >
      {name === undefined ? "…" : <PlainText value={name} />}
    </Link>
  );
}
