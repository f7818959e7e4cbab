import { useQuery } from "@tanstack/react-query";
import { getRouteApi, Link, useNavigate } from "@tanstack/react-router";
import { lazy, type ReactElement, Suspense, useState } from "react";
import type { Agent } from "#shared/api/agents/agents.js";
import type { Workspace } from "#shared/api/projects/workspaces.js";
import { useLoaded } from "../../api/use-loaded.js";
import { loadPart } from "../../hooks/connection.js";
import { asApiError } from "../../api/client.js";
import type { WorkspaceTab } from "../../paths/address-search.js";
import { paths } from "../../paths/paths.js";
import { Button, buttonClass } from "../../ui/actions/button.js";
import { DeferredRender } from "../../ui/layout/deferred-render.js";
import { Page } from "../../ui/layout/page.js";
import { EmptyState } from "../../ui/feedback/states.js";
import { Tabs } from "../../ui/layout/tabs.js";
import { AgentStatus } from "../../components/agents/agent-status.js";
import { CreateWorkspaceDialog } from "../../components/agents/create-workspace-button.js";
import { agentQuery } from "../../api/queries/agents.js";
import { PermissionHint } from "../../access/permission-hint.js";
import { useDenyReason } from "../../access/permissions.js";
import { PredictedConflicts } from "../../components/radar/predicted-conflicts.js";
import { Waiting } from "../../components/await.js";
import { AgentDangerZone } from "./settings/agent-danger-zone.js";
import { AgentTaskDetails } from "./agent-task.js";
import { ArchivedNotice } from "./archived-notice.js";
import { CommitsTab } from "./commits/commits-tab.js";
import { ConflictsTab } from "./merges/conflicts-tab.js";
import { useWorkspaceCrumbs } from "../../components/workspaces/crumbs.js";
import { workspaceQuery } from "../../api/queries/workspaces.js";
import { WorkspaceDetails } from "./workspace-details.js";

const SettingsTab = lazy(async () => ({
  default: (await loadPart(() => import("./settings/settings-tab.js"))).SettingsTab,
}));

const route = getRouteApi("/app/agents/$agentId/workspace");

const isolationLabels: Record<Workspace["isolation"], string> = { isolated: "Isolated" };

export function WorkspacePage(): ReactElement {
  const { agentId } = route.useParams();
  const [isCreating, setCreating] = useState(false);
  const { data: agent } = useLoaded(agentQuery(agentId));
  const { data: workspace } = useQuery(workspaceQuery(agentId));
  const crumbs = useWorkspaceCrumbs(agentId);
  return (
    <Page
      title={`Agent: ${agent.name}`}
      documentTitle={`Workspace of ${agent.name}`}
      crumbs={crumbs}
      description={`Workspace: ${workspace ? isolationLabels[workspace.isolation] : "None"}`}
      actions={
        <>
          <AgentStatus agent={agent} />
          <Link {...paths.agent(agentId)} className={buttonClass()}>
            Runs
          </Link>
        </>
      }
    >
      {agent.task && <AgentTaskDetails task={agent.task} />}
      <WorkspaceOf agent={agent} onCreate={() => setCreating(true)} />
      {/* Rendered here, so that it stays open while the content below refetches the workspace. */}
      {isCreating && (
        <Suspense>
          <CreateWorkspaceDialog
            isOpen
            onClose={() => setCreating(false)}
            agentId={agentId}
            agentName={agent.name}
          />
        </Suspense>
      )}
    </Page>
  );
}

function WorkspaceOf({ agent, onCreate }: { agent: Agent; onCreate: () => void }): ReactElement {
  const { tab = "commits" } = route.useSearch();
  const navigate = useNavigate();
  const workspace = useQuery(workspaceQuery(agent.id));
  const refusal = useDenyReason(agent.organization_id);

  const code = workspace.error === null ? undefined : asApiError(workspace.error).code;
  if (code === "workspace_missing" || code === "workspace_expired") {
    const reason =
      refusal("agent:workspace:write") ??
      (agent.status === "terminated" ? "This agent has been terminated." : undefined);
    return (
      <>
        <EmptyState
          title={
            code === "workspace_expired"
              ? "This agent's workspace was archived, and its time is over"
              : "This agent has no workspace yet"
          }
          action={
            <Button variant="primary" disabledReason={reason} onClick={onCreate}>
              Create workspace
            </Button>
          }
        >
          A workspace is a branch of the agent's own, with or without a folder on this server. Its
          commits stay there until they are merged.
          <div className="mt-3">
            <PermissionHint reason={reason} />
          </div>
        </EmptyState>
        <AgentDangerZone agent={agent} workspace={null} refusal={refusal} />
      </>
    );
  }
  if (workspace.data === undefined) return <Waiting query={workspace} what="The workspace" />;
  const { data } = workspace;
  return (
    <>
      <ArchivedNotice agent={agent} workspace={data} refusal={refusal} />
      <WorkspaceDetails workspace={data} />
      <DeferredRender>
        <PredictedConflicts workspace={data} />
        <Tabs<WorkspaceTab>
          label="Workspace"
          value={tab}
          onChange={(next) =>
            void navigate({ ...paths.workspace(agent.id, { tab: next }), replace: true })
          }
          tabs={[
            {
              value: "commits",
              label: "Commits",
              content: <CommitsTab workspace={data} refusal={refusal} />,
            },
            {
              value: "conflicts",
              label: "Merge Conflicts",
              content: <ConflictsTab workspace={data} />,
            },
            {
              value: "settings",
              label: "Settings",
              // A form starts from saved values; the key remounts it for another agent.
              content: (
                <div className="flex flex-col gap-4">
                  <Suspense>
                    <SettingsTab key={agent.id} workspace={data} refusal={refusal} />
                    <AgentDangerZone agent={agent} workspace={data} refusal={refusal} />
                  </Suspense>
                </div>
              ),
            },
          ]}
        />
      </DeferredRender>
    </>
  );
}
