import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";
import type { ReactElement } from "react";
import type { Agent } from "#shared/api/work/agents.js";
import type { Project } from "#shared/api/code/projects.js";
import { agentsQuery } from "../../../../api/queries/work/agents.js";
import { AgentRuns } from "../../../work/parts/agents/agent-runs.js";
import { Await } from "../../../../components/await.js";
import { workOf } from "../../../../paths/agent-work.js";
import { paths } from "../../../../paths/paths.js";
import { Button } from "../../../../ui/actions/button.js";
import { countOf, formatNumber } from "../../../../ui/text/number.js";
import { PlainText } from "../../../../ui/text/plain-text.js";
import { SummaryCard, SummaryList } from "./summary-card.js";

const shown = 5;

/** The agents that are running or about to, the longest-running first. */
export function AgentsSummary({
  project,
  disabledReason,
}: {
  project: Project;
  /** Why the viewer may not create agents. */
  disabledReason: string | undefined;
}): ReactElement {
  const navigate = useNavigate();
  const agents = useQuery(agentsQuery({ project_id: project.id }));
  const all = agents.data?.length ?? 0;
  return (
    <SummaryCard
      title="Running agents"
      whole={{
        ...paths.projectAgents(project.id),
        label: all > 1 ? `All ${countOf(all, "agent")}` : "All agents",
      }}
      actions={
        // The new agent is idle, so that only the list of all agents shows it.
        <Button
          icon="plus"
          disabledReason={disabledReason}
          onClick={() => void navigate(paths.projectAgents(project.id, { new: true }))}
        >
          New agent
        </Button>
      }
    >
      <Await query={agents} rows={2}>
        {(list) => <Busy agents={list} readAt={agents.dataUpdatedAt} />}
      </Await>
    </SummaryCard>
  );
}

function Busy({ agents, readAt }: { agents: readonly Agent[]; readAt: number }): ReactElement {
  if (agents.length === 0) return <p className="text-muted">No agent works on this project yet.</p>;
  const busy = busyFirst(agents);
  if (busy.length === 0) return <p className="text-muted">No agent is running.</p>;
  return (
    <SummaryList label="Running agents">
      {busy.slice(0, shown).map((agent) => (
        <li
          key={agent.id}
          className="grid gap-x-4 gap-y-1 py-2 sm:grid-cols-[minmax(0,2fr)_minmax(0,3fr)]"
        >
          <div className="min-w-0">
            <Link
              {...paths.agent(agent.id)}
              className="font-medium text-accent-ink hover:underline"
            >
              <PlainText value={agent.name} />
            </Link>
            {agent.task && (
              <div className="line-clamp-2 text-[13px] text-muted">
                <PlainText value={agent.task.title} />
              </div>
            )}
          </div>
          <AgentRuns agent={agent} readAt={readAt} />
        </li>
      ))}
      {busy.length > shown && (
        <li className="py-2 text-[13px] text-muted">
          And {formatNumber(busy.length - shown)} more running or queued
        </li>
      )}
    </SummaryList>
  );
}

/** Running agents by their start, then queued ones by their place. */
function busyFirst(agents: readonly Agent[]): Agent[] {
  const keyOf = ({ current_run, queued_run }: Agent): string =>
    current_run?.started_at ?? `queue ${String(queued_run?.queue_position ?? 0).padStart(6, "0")}`;
  return agents
    .filter((agent) => ["running", "queued"].includes(workOf(agent)))
    .toSorted((left, right) => (keyOf(left) < keyOf(right) ? -1 : 1));
}
