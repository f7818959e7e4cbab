import { getRouteApi, useNavigate } from "@tanstack/react-router";
import type { ReactElement } from "react";
import { runStatuses } from "#shared/execution/run-choices.js";
import type { RunSearch } from "../../../../api/queries/execution/runs.js";
import { AgentFrame, type AgentPart } from "../agent-frame.js";
import { AgentRuns } from "../../parts/agents/agent-runs.js";
import { statusName } from "../../../execution/parts/runs/run-status.js";
import { RunTable } from "./run-table.js";
import { RunTimeline } from "../../../organization/parts/usage/run-timeline.js";
import { paths } from "../../../../paths/paths.js";
import { runSearchOf } from "../../../../paths/run-search.js";
import { Select } from "../../../../ui/fields/select.js";
import { Card } from "../../../../ui/layout/card.js";

const route = getRouteApi("/app/agents/$agentId/runs");

/** The runs of an agent: the current one, the list of all, and when they ran. */
export function AgentRunsPage(): ReactElement {
  const { agentId } = route.useParams();
  return (
    <AgentFrame agentId={agentId} tab="runs">
      {(part) => <Runs {...part} />}
    </AgentFrame>
  );
}

function Runs({ agent, readAt, startReason }: AgentPart): ReactElement {
  const search = route.useSearch();
  const navigate = useNavigate();
  const changeSearch = (next: RunSearch): void =>
    void navigate({
      ...paths.agentRuns(agent.id),
      search: next,
      replace: true,
      resetScroll: false,
    });
  const { current_run: current, queued_run: queued } = agent;
  return (
    <>
      {(current || queued || agent.last_run) && (
        <Card title={current || queued ? "Current run" : "Last run"}>
          <AgentRuns agent={agent} readAt={readAt} />
        </Card>
      )}
      <Card
        title="Runs"
        actions={
          <div className="w-40">
            <Select
              aria-label="Filter by status"
              value={search.run ?? ""}
              onChange={(value) =>
                changeSearch({ sort: search.sort, ...runSearchOf({ run: value }) })
              }
              options={[
                { value: "", label: "Any status" },
                ...runStatuses.map((value) => ({ value, label: statusName(value) })),
              ]}
            />
          </div>
        }
      >
        <RunTable
          agent={agent}
          disabledReason={startReason}
          search={search}
          onSearch={changeSearch}
        />
      </Card>
      <RunTimeline title="Timeline" orgId={agent.organization_id} agentId={agent.id} />
    </>
  );
}
