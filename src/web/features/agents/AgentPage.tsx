import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import type { ReactElement } from "react";
import { useNewDialog } from "../../dialog-search.js";
import { paths } from "../../paths.js";
import { Button, buttonClass } from "../../ui/button.js";
import { Card } from "../../ui/card.js";
import { Page } from "../../ui/page.js";
import { PlainText } from "../../ui/plain-text.js";
import { Skeleton } from "../../ui/states.js";
import { PermissionHint } from "../organizations/permission-hint.js";
import { useRefusal } from "../organizations/permissions.js";
import { runPagesQuery, sandboxQuery } from "../runs/queries.js";
import { RunCommandDialog } from "../runs/run-command-dialog.js";
import { RunTable } from "../runs/run-table.js";
import { SandboxCard } from "../runs/sandbox-card.js";
import { StopRunButton } from "../runs/stop-run-button.js";
import { QueryError } from "../shell/query-state.js";
import { useWorkspaceCrumbs } from "../workspaces/crumbs.js";
import { AgentStatus } from "./agent-status.js";
import { agentQuery } from "./queries.js";

const route = getRouteApi("/app/agents/$agentId");

/** An agent: its runs, what they are held to, and the way to its workspace. */
export function AgentPage(): ReactElement {
  const { agentId } = route.useParams();
  const agent = useQuery(agentQuery(agentId));
  const runs = useInfiniteQuery(runPagesQuery(agentId));
  const { data: sandbox } = useQuery(sandboxQuery);
  const crumbs = useWorkspaceCrumbs(agentId);
  const refusal = useRefusal(agent.data?.organization_id);
  const dialog = useNewDialog();
  if (agent.isPending || agent.isError) {
    return (
      <Page title="Agent" crumbs={crumbs}>
        {agent.isPending ? (
          <Skeleton />
        ) : (
          <QueryError error={agent.error} onRetry={() => void agent.refetch()} what="The agent" />
        )}
      </Page>
    );
  }
  const { data } = agent;
  const forbidden = refusal("agent:run");
  const reason =
    forbidden ??
    (data.status === "terminated"
      ? "The agent is deleted: it works no more."
      : data.workspace_branch === null
        ? "Create a workspace first: commands run there."
        : sandbox?.mode === "unavailable"
          ? "There is no sandbox here; see Sandbox and Limits."
          : undefined);
  const open = runs.data?.pages[0]?.rows.find(({ ended_at }) => ended_at === null);
  return (
    <Page
      title={data.name}
      crumbs={crumbs}
      description={
        <>
          <AgentStatus status={data.status} />
          {data.description !== null && (
            <div>
              <PlainText value={data.description} />
            </div>
          )}
        </>
      }
      actions={
        <>
          <Link {...paths.workspace(agentId)} className={buttonClass()}>
            Workspace
          </Link>
          {open && <StopRunButton run={open} disabledReason={forbidden} />}
          <Button variant="primary" disabledReason={reason} onClick={dialog.open}>
            Run a Command
          </Button>
        </>
      }
    >
      <PermissionHint reason={forbidden} />
      <Card title="Runs">
        <RunTable agentId={agentId} />
      </Card>
      <SandboxCard />
      <RunCommandDialog
        isOpen={dialog.isOpen && reason === undefined}
        onClose={dialog.close}
        agentId={agentId}
      />
    </Page>
  );
}
