import { Link } from "@tanstack/react-router";
import type { ReactElement } from "react";
import type { AgentWork } from "#shared/api/work/overview.js";
import type { DenyReason } from "../../../../access/deny-reason.js";
import { useMedia } from "../../../../hooks/use-media.js";
import { paths } from "../../../../paths/paths.js";
import type { ListView, Sorting } from "../../../../ui/tables/list-view.js";
import { Table } from "../../../../ui/tables/table.js";
import { PlainText, visible } from "../../../../ui/text/plain-text.js";
import { costText } from "../../../organization/parts/usage/model-figures.js";
import { ButtonReason } from "../../../../access/permission-hint.js";
import { CreateWorkspaceButton } from "../agents/create-workspace-button.js";
import { WorkChanges, WorkConflicts } from "./work-changes.js";
import { WorkRun } from "./work-run.js";
import { stateOf, WorkState } from "./work-state.js";

const order = ["needs_you", "running", "queued", "ready", "idle"];

export const workSortings: readonly Sorting<AgentWork>[] = [
  { key: "name", label: "Agent", by: ({ agent_name }) => agent_name },
  { key: "status", label: "Status", by: (work) => order.indexOf(stateOf(work)) },
  {
    key: "run",
    label: "Run",
    // The longest-running agents first, then the queue in order.
    by: ({ current }) =>
      current && (current.started_at ?? `queue ${String(current.queue_position).padStart(6, "0")}`),
  },
  { key: "project", label: "Project", by: ({ project_name }) => project_name },
  { key: "changes", label: "Unmerged", by: ({ unmerged_commits }) => unmerged_commits },
  { key: "conflicts", label: "Conflicts", by: ({ conflicts }) => conflicts },
  { key: "cost", label: "Cost", by: ({ cost_usd }) => cost_usd },
  { key: "branch", label: "Workspace", by: ({ branch_name }) => branch_name },
];

interface WorkTableProps {
  view: ListView<AgentWork>;
  /** When the rows were read; milliseconds. */
  readAt: number;
  refusal: DenyReason;
  withProject: boolean;
}

/** Agents in a dense table. */
export function WorkTable({ view, readAt, refusal, withProject }: WorkTableProps): ReactElement {
  // A table of all columns would not fit; narrower screens show each row as a card.
  const isTight = useMedia("(48rem <= width < 80rem)");
  const project = {
    name: "Project",
    sortKey: "project",
    renderCell: ({ project_id, project_name }: AgentWork) => (
      <Link
        {...paths.project(project_id)}
        title={visible(project_name)}
        className="line-clamp-2 text-accent-ink hover:underline wide:max-w-24 wide:xl:max-w-36 wide:xl:min-w-24"
      >
        <PlainText value={project_name} />
      </Link>
    ),
  };
  const cost = {
    name: "Cost",
    sortKey: "cost",
    isNumber: true,
    renderCell: ({ cost_usd }: AgentWork) => (
      <span className={cost_usd === 0 ? "text-muted" : ""}>{costText(cost_usd)}</span>
    ),
  };
  return (
    <Table
      label="Agents"
      view={view}
      rows={view.pageRows}
      rowKey={({ agent_id }) => agent_id}
      columns={[
        { name: "Agent", sortKey: "name", renderCell: (work) => <AgentName work={work} /> },
        { name: "Status", sortKey: "status", renderCell: (work) => <WorkState work={work} /> },
        {
          name: "Run",
          sortKey: "run",
          renderCell: (work) => (
            <div className="wide:max-w-40 wide:min-w-24 wide:xl:max-w-52 wide:xl:min-w-32">
              <WorkRun work={work} readAt={readAt} />
            </div>
          ),
        },
        ...(withProject && !isTight ? [project] : []),
        {
          name: "Unmerged",
          sortKey: "changes",
          renderCell: (work) => <WorkChanges work={work} />,
        },
        {
          name: "Conflicts",
          sortKey: "conflicts",
          isNumber: true,
          renderCell: ({ conflicts }) => <WorkConflicts count={conflicts} />,
        },
        ...(isTight ? [] : [cost]),
        {
          name: "Workspace",
          sortKey: "branch",
          renderCell: (work) => (
            <WorkspaceCell work={work} reason={refusal("agent:workspace:write")} />
          ),
        },
      ]}
    />
  );
}

function AgentName({ work }: { work: AgentWork }): ReactElement {
  const { agent_id, agent_name, task_title, description } = work;
  return (
    <div className="min-w-0 wide:min-w-24 wide:xl:min-w-32">
      <Link {...paths.agent(agent_id)} className="font-medium text-accent-ink hover:underline">
        <PlainText value={agent_name} />
      </Link>
      {task_title !== null && (
        <div className="line-clamp-1 text-[13px]" title={visible(task_title)}>
          <PlainText value={task_title} />
        </div>
      )}
      {description !== null && (
        <div className="line-clamp-1 text-[13px] text-muted" title={visible(description)}>
          <PlainText value={description} />
        </div>
      )}
    </div>
  );
}

interface WorkspaceCellProps {
  work: AgentWork;
  /** Why the viewer may not create a workspace. */
  reason: string | undefined;
}

function WorkspaceCell({ work, reason }: WorkspaceCellProps): ReactElement {
  const { agent_id, agent_name, branch_name } = work;
  if (branch_name === null) {
    return (
      <>
        <CreateWorkspaceButton agentId={agent_id} agentName={agent_name} disabledReason={reason} />
        <ButtonReason reason={reason} />
      </>
    );
  }
  return (
    <>
      <Link
        {...paths.workspace(agent_id)}
        title={`Workspace of ${visible(agent_name)}`}
        className="font-medium text-accent-ink hover:underline wide:xl:whitespace-nowrap"
      >
        Open workspace
      </Link>
      <span
        className="line-clamp-2 font-mono text-xs wrap-anywhere text-muted wide:min-w-24 wide:xl:min-w-28"
        title={visible(branch_name)}
      >
        <PlainText value={branch_name} />
      </span>
    </>
  );
}
