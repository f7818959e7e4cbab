import { useQuery } from "@tanstack/react-query";
import type { ReactElement, ReactNode } from "react";
import type { AgentWork } from "#shared/api/work/overview.js";
import { useDenyReason } from "../../../../access/permissions.js";
import { type WorkFilter, workQuery } from "../../../../api/queries/work/overview.js";
import { usePersistedState } from "../../../../hooks/use-persisted-state.js";
import { useFilters, useListView } from "../../../../lists/list-search.js";
import {
  agentsViews,
  type AgentsView as View,
  viewSearchOf,
  type Work,
  works,
  workSearchOf,
} from "../../../../paths/agent-work.js";
import { Button } from "../../../../ui/actions/button.js";
import { Segments } from "../../../../ui/fields/radio.js";
import { Select } from "../../../../ui/fields/select.js";
import { Card } from "../../../../ui/layout/card.js";
import { ListToolbar, NothingFound, Pager } from "../../../../ui/tables/list-view.js";
import { Waiting } from "../../../../components/await.js";
import { WorkBoard } from "./work-board.js";
import { stateName, stateOf } from "./work-state.js";
import { WorkTable, workSortings } from "./work-table.js";
import { workTitle } from "./work-title.js";

interface AgentsViewProps {
  orgId: string;
  filter: WorkFilter;
  empty: ReactNode;
  /** Whether to name each agent's project, for lists of several projects. */
  withProject?: boolean;
  title?: string;
  actions?: ReactNode;
}

const textOf = (work: AgentWork): string => {
  const { agent_name, description, task_title, branch_name, current } = work;
  const run = current === null ? "" : workTitle(current);
  return [agent_name, task_title, description, branch_name, stateName(stateOf(work)), run].join(
    " ",
  );
};
/** All agents are on the board. */
const boardSize = 100_000;

/** Agents as a list or a board; the choice is in the address, and remembered. */
export function AgentsView({
  orgId,
  filter,
  empty,
  withProject = false,
  title,
  actions,
}: AgentsViewProps): ReactElement {
  const agents = useQuery(workQuery(orgId, filter));
  const rows = agents.data ?? [];
  const refusal = useDenyReason(orgId);
  const [view, setView] = useView();
  const [{ status }, change] = useFilters(workSearchOf);
  const isBoard = view === "board";
  // A board has a column for each state.
  const work = isBoard ? undefined : status;
  const ofWork = work === undefined ? rows : rows.filter((row) => stateOf(row) === work);
  const list = useListView(ofWork, {
    sortings: workSortings,
    textOf,
    ...(isBoard && { pageSize: boardSize }),
  });
  const viewSwitch = (
    <Segments
      legend="View of agents"
      hideLegend
      value={view}
      onChange={setView}
      options={[
        { value: "list", label: "List" },
        { value: "board", label: "Board" },
      ]}
    />
  );
  const header = {
    ...(title !== undefined && { title }),
    actions: (
      <>
        {title !== undefined && viewSwitch}
        {actions}
      </>
    ),
  };
  if (agents.data === undefined) {
    return (
      <Card {...header}>
        <Waiting query={agents} />
      </Card>
    );
  }
  if (rows.length === 0) {
    return (
      <Card {...header}>
        <div className="text-muted">{empty}</div>
      </Card>
    );
  }
  const toolbar = (
    <ListToolbar view={list} noun="agent" placeholder="Name, branch, command or status">
      {!isBoard && (rows.length > 5 || work !== undefined) && (
        <div className="w-36">
          <Select
            aria-label="Filter by status"
            value={work ?? ""}
            onChange={(next) => change({ status: (next as Work | "") || undefined })}
            options={[
              { value: "", label: "Any status" },
              ...works.map((value) => ({ value, label: stateName(value) })),
            ]}
          />
        </div>
      )}
      {title === undefined && viewSwitch}
    </ListToolbar>
  );
  const nothing = ofWork.length > 0 && list.found === 0 && (
    <NothingFound view={list} noun="agent" />
  );
  if (isBoard) {
    const board = (
      <>
        {toolbar}
        {nothing || (
          <WorkBoard rows={list.pageRows} readAt={agents.dataUpdatedAt} withProject={withProject} />
        )}
      </>
    );
    return title === undefined ? (
      <div className="flex flex-col gap-4">{board}</div>
    ) : (
      <Card {...header}>
        <div className="flex flex-col gap-4">{board}</div>
      </Card>
    );
  }
  return (
    <Card {...header} isFlush>
      <div className="p-4 empty:hidden">{toolbar}</div>
      {nothing}
      {ofWork.length === 0 && work !== undefined && (
        <div className="flex flex-col items-center gap-3 px-4 py-10 text-center">
          <p className="text-muted">{noneText[work]}</p>
          <Button onClick={() => change({ status: undefined })}>Show all agents</Button>
        </div>
      )}
      {/* All columns need more than the width of a tablet. */}
      <div className="wide:overflow-x-auto">
        <WorkTable
          view={list}
          readAt={agents.dataUpdatedAt}
          refusal={refusal}
          withProject={withProject}
        />
      </div>
      <Pager view={list} label="Pages of agents" />
    </Card>
  );
}

const noneText: Record<Work, string> = {
  running: "No agent is running.",
  queued: "No agent is queued.",
  needs_you: "No agent needs you.",
  ready: "No agent has work to merge.",
  idle: "No agent is idle.",
};

/** The view of the address, or the last one chosen in this browser. */
function useView(): [View, (view: View) => void] {
  const [{ view }, change] = useFilters(viewSearchOf);
  const [last, setLast] = usePersistedState<View>("forever", "agents-view", "list", (stored) =>
    agentsViews.some((view) => view === stored),
  );
  return [
    view ?? last,
    (next) => {
      setLast(next);
      change({ view: next });
    },
  ];
}
