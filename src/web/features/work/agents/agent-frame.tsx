import { useQuery } from "@tanstack/react-query";
import { lazy, type ReactElement, type ReactNode, Suspense } from "react";
import type { Agent } from "#shared/api/work/agents.js";
import type { Workspace } from "#shared/api/code/workspaces.js";
import { PermissionHint } from "../../../access/permission-hint.js";
import { useDenyReason } from "../../../access/permissions.js";
import type { DenyReason } from "../../../access/deny-reason.js";
import { agentQuery } from "../../../api/queries/work/agents.js";
import { workspaceQuery } from "../../../api/queries/code/workspaces.js";
import { useLoaded } from "../../../api/use-loaded.js";
import { useNewDialog } from "../../../forms/dialog-search.js";
import { loadPart } from "../../../hooks/connection.js";
import { paths } from "../../../paths/paths.js";
import { Button } from "../../../ui/actions/button.js";
import { Page } from "../../../ui/layout/page.js";
import { PlainText, visible } from "../../../ui/text/plain-text.js";
import { PageTabs } from "../../../components/page-tabs.js";
import { useStart } from "../../execution/parts/runs/start/use-start.js";
import { StopRunButton } from "../../execution/parts/runs/stop-run-button.js";
import { useWorkspaceCrumbs } from "../../code/parts/workspaces/crumbs.js";
import { AgentStatus } from "./agent-status.js";
import { AgentTaskDetails } from "./agent-task.js";

const StartRunDialog = lazy(async () => ({
  default: (await loadPart(() => import("../../execution/parts/runs/start/start-run-dialog.js")))
    .StartRunDialog,
}));

const tabs = {
  session: { label: "Session", path: paths.agent },
  changes: { label: "Changes", path: paths.agentChanges },
  commits: { label: "Commits", path: paths.workspace },
  conflicts: { label: "Merge Conflicts", path: paths.agentConflicts },
  runs: { label: "Runs", path: paths.agentRuns },
  settings: { label: "Settings", path: paths.agentSettings },
} as const;
export type AgentTab = keyof typeof tabs;

const isolationLabels: Record<Workspace["isolation"], string> = { isolated: "Isolated" };

/** What a tab of an agent's page is made from. */
export interface AgentPart {
  agent: Agent;
  /** When the agent was read, by this machine's clock; milliseconds. */
  readAt: number;
  refusal: DenyReason;
  /** Why no run of the agent can start; undefined if one can. */
  startReason: string | undefined;
  /** Why no session of the agent can start; undefined if one can. */
  sessionReason: string | undefined;
}

interface AgentFrameProps {
  agentId: string;
  tab: AgentTab;
  width?: "normal" | "full";
  children: (part: AgentPart) => ReactNode;
}

/** What all tabs of an agent share: breadcrumbs, heading, task, the buttons that start and stop it, and links. */
export function AgentFrame({ agentId, tab, width, children }: AgentFrameProps): ReactElement {
  const { data: agent, dataUpdatedAt } = useLoaded(agentQuery(agentId));
  const { data: workspace } = useQuery(workspaceQuery(agentId));
  const crumbs = useWorkspaceCrumbs(agentId);
  const refusal = useDenyReason(agent.organization_id);
  const dialog = useNewDialog();
  const forbidden = refusal("agent:run");
  const { reason: startReason, sessionReason, isolation } = useStart(agent, forbidden);
  const { label } = tabs[tab];
  return (
    <Page
      title={`Agent: ${agent.name}`}
      part={label}
      documentTitle={`${label} of ${visible(agent.name)}`}
      crumbs={crumbs}
      {...(width && { width })}
      description={
        <>
          <span className="flex flex-wrap gap-x-4">
            <AgentStatus agent={agent} />
            <span>Workspace: {workspace ? isolationLabels[workspace.isolation] : "None"}</span>
          </span>
          {agent.description !== null && (
            <div>
              <PlainText value={agent.description} />
            </div>
          )}
        </>
      }
      actions={
        <>
          {[agent.current_run, agent.queued_run].map(
            (run) => run && <StopRunButton key={run.id} run={run} disabledReason={forbidden} />,
          )}
          <Button disabledReason={startReason} onClick={dialog.open}>
            Start agent
          </Button>
        </>
      }
    >
      {agent.task && <AgentTaskDetails task={agent.task} />}
      <PageTabs
        label="Agent"
        current={tab}
        tabs={(Object.keys(tabs) as AgentTab[]).map((name) => ({
          name,
          label: tabs[name].label,
          link: tabs[name].path(agentId),
        }))}
      />
      <PermissionHint reason={forbidden} />
      {children({ agent, readAt: dataUpdatedAt, refusal, startReason, sessionReason })}
      {dialog.isOpen && startReason === undefined && (
        <Suspense>
          <StartRunDialog
            isOpen
            onClose={dialog.close}
            agent={agent}
            isolation={isolation}
            task={agent.task?.text ?? null}
            run={null}
          />
        </Suspense>
      )}
    </Page>
  );
}
