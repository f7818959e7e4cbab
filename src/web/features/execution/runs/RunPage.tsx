import { useQuery } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import type { ReactElement, ReactNode } from "react";
import { useLoaded } from "../../../api/use-loaded.js";
import { paths } from "../../../paths/paths.js";
import { Page } from "../../../ui/layout/page.js";
import { PlainText } from "../../../ui/text/plain-text.js";
import { agentQuery } from "../../../api/queries/work/agents.js";
import { useDenyReason } from "../../../access/permissions.js";
import { CrumbLink } from "../../../components/crumb-link.js";
import { useWorkspaceCrumbs } from "../../code/parts/workspaces/crumbs.js";
import { runQuery } from "../../../api/queries/execution/runs.js";
import { RunContent } from "./run-content.js";
import { RunAgain } from "../parts/runs/run-again.js";
import { runTitle } from "../parts/runs/run-title.js";
import { RunStatus } from "../parts/runs/run-status.js";
import { useStart } from "../parts/runs/start/use-start.js";
import { StopRunButton } from "../parts/runs/stop-run-button.js";

const route = getRouteApi("/app/agents/$agentId/runs/$runId");

export function RunPage(): ReactElement {
  const { agentId, runId } = route.useParams();
  const { data: run, dataUpdatedAt } = useLoaded(runQuery(runId));
  const { data: agent } = useQuery(agentQuery(agentId));
  const forbidden = useDenyReason(agent?.organization_id)("agent:run");
  const { reason } = useStart(agent, forbidden);
  const crumbs: ReactNode[] = [
    ...useWorkspaceCrumbs(agentId),
    <CrumbLink key="agent" {...paths.agentRuns(agentId)}>
      {agent ? <PlainText value={agent.name} /> : "Agent"}
    </CrumbLink>,
  ];
  return (
    <Page
      title={runTitle(run)}
      crumb={`Run ${runId.slice(-8)}`}
      crumbs={crumbs}
      description={<RunStatus run={run} />}
      actions={
        run.ended_at === null ? (
          <StopRunButton run={run} disabledReason={forbidden} />
        ) : (
          agent &&
          run.kind === "managed" && (
            <RunAgain key={run.id} agent={agent} run={run} disabledReason={reason} />
          )
        )
      }
    >
      <RunContent run={run} readAt={dataUpdatedAt} />
    </Page>
  );
}
