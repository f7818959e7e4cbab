import { useQuery } from "@tanstack/react-query";
import { getRouteApi, Link, useNavigate } from "@tanstack/react-router";
import type { ReactElement } from "react";
import { runStatuses } from "#shared/run-statuses.js";
import { useLoaded } from "../../api/use-loaded.js";
import { useNewDialog } from "../../forms/dialog-search.js";
import { paths } from "../../paths/paths.js";
import { Button, buttonClass } from "../../ui/actions/button.js";
import { Card } from "../../ui/layout/card.js";
import { Page } from "../../ui/layout/page.js";
import { Select } from "../../ui/fields/select.js";
import { PlainText } from "../../ui/text/plain-text.js";
import { PermissionHint } from "../../access/permission-hint.js";
import { useDenyReason } from "../../access/permissions.js";
import { isolationOf } from "../../components/runs/isolation.js";
import { sandboxQuery } from "../../api/queries/runs.js";
import { StartRunDialog } from "../../components/runs/start-run-dialog.js";
import { startDisabledReason } from "../../components/runs/start-reason.js";
import { RunTable } from "../../components/runs/run-table.js";
import { SandboxCard } from "../../components/runs/sandbox-card.js";
import type { RunSearch } from "../../api/queries/runs.js";
import { runSearchOf } from "../../paths/run-search.js";
import { statusName } from "../../components/runs/run-status.js";
import { StopRunButton } from "../../components/runs/stop-run-button.js";
import { AgentBudgets } from "../../components/usage/budgets-card.js";
import { RunTimeline } from "../../components/usage/run-timeline.js";
import { useWorkspaceCrumbs } from "../../components/workspaces/crumbs.js";
import { AgentRuns } from "../../components/agents/agent-runs.js";
import { TaskCard } from "../../components/agents/task-card.js";
import { AgentStatus } from "../../components/agents/agent-status.js";
import { agentQuery } from "../../api/queries/agents.js";
import { HomeCard } from "./home-card.js";

const route = getRouteApi("/app/agents/$agentId");

/** An agent: its runs, their isolation, and a link to its workspace. */
export function AgentPage(): ReactElement {
  const { agentId } = route.useParams();
  const { data: agent, dataUpdatedAt } = useLoaded(agentQuery(agentId));
  const search = route.useSearch();
  const navigate = useNavigate();
  const { data: sandbox } = useQuery(sandboxQuery);
  const crumbs = useWorkspaceCrumbs(agentId);
  const refusal = useDenyReason(agent.organization_id);
  const dialog = useNewDialog();
  const changeSearch = (next: RunSearch): void =>
    void navigate({ ...paths.agent(agentId), search: next, replace: true, resetScroll: false });
  const forbidden = refusal("agent:run");
  const isolation = sandbox && isolationOf(sandbox, agent.workspace_type);
  const reason = startDisabledReason(agent, forbidden, isolation);
  const { current_run: current, queued_run: queued } = agent;
  return (
    <Page
      title={agent.name}
      crumbs={crumbs}
      description={
        <>
          <AgentStatus agent={agent} />
          {agent.description !== null && (
            <div>
              <PlainText value={agent.description} />
            </div>
          )}
        </>
      }
      actions={
        <>
          <Link {...paths.workspace(agentId)} className={buttonClass()}>
            Workspace
          </Link>
          {current && <StopRunButton key={current.id} run={current} disabledReason={forbidden} />}
          {queued && <StopRunButton key={queued.id} run={queued} disabledReason={forbidden} />}
          <Button variant="primary" disabledReason={reason} onClick={dialog.open}>
            Start agent
          </Button>
        </>
      }
    >
      <PermissionHint reason={forbidden} />
      <TaskCard
        agent={agent}
        disabledReason={
          refusal("agent:write") ??
          (agent.status === "terminated" ? "This agent has been terminated." : undefined)
        }
      />
      {(current || queued || agent.last_run) && (
        <Card title={current || queued ? "Current run" : "Last run"}>
          <AgentRuns agent={agent} readAt={dataUpdatedAt} />
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
        <RunTable agent={agent} disabledReason={reason} search={search} onSearch={changeSearch} />
      </Card>
      <SandboxCard workspaceType={agent.workspace_type} />
      <HomeCard agent={agent} refusal={refusal} />
      <AgentBudgets agent={agent} refusal={refusal} />
      <RunTimeline title="Timeline" orgId={agent.organization_id} agentId={agentId} />
      <StartRunDialog
        isOpen={dialog.isOpen && reason === undefined}
        onClose={dialog.close}
        agent={agent}
        isolation={isolation}
        task={agent.task?.text ?? null}
        run={null}
      />
    </Page>
  );
}
