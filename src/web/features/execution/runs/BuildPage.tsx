import { useQuery } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import type { ReactElement } from "react";
import { useDenyReason } from "../../../access/permissions.js";
import { projectQuery } from "../../../api/queries/code/projects.js";
import { runQuery } from "../../../api/queries/execution/runs.js";
import { useLoaded } from "../../../api/use-loaded.js";
import { CrumbLink } from "../../../components/crumb-link.js";
import { RunContent } from "./run-content.js";
import { RunStatus } from "../parts/runs/run-status.js";
import { StopRunButton } from "../parts/runs/stop-run-button.js";
import { paths } from "../../../paths/paths.js";
import { Page } from "../../../ui/layout/page.js";
import { PlainText } from "../../../ui/text/plain-text.js";

const route = getRouteApi("/app/projects/$projectId/builds/$runId");

/** A run of a project, with its log: of its setup script, or of a check of one of its branches. */
export function BuildPage(): ReactElement {
  const { projectId, runId } = route.useParams();
  const { data: run, dataUpdatedAt } = useLoaded(runQuery(runId));
  const { data: project } = useQuery(projectQuery(projectId));
  const refusal = useDenyReason(project?.organization_id);
  const isCheck = run.kind === "check";
  return (
    <Page
      title={`${isCheck ? "Check" : "Build"} ${runId.slice(-8)}`}
      crumbs={[
        <CrumbLink key="project" {...paths.project(projectId)}>
          {project ? <PlainText value={project.name} /> : "Project"}
        </CrumbLink>,
        isCheck ? (
          <CrumbLink key="tab" {...paths.projectAutomations(projectId)}>
            Automations
          </CrumbLink>
        ) : (
          <CrumbLink key="tab" {...paths.projectSettings(projectId)}>
            Settings
          </CrumbLink>
        ),
      ]}
      description={<RunStatus run={run} />}
      actions={
        run.ended_at === null &&
        !isCheck && (
          <StopRunButton
            run={run}
            disabledReason={refusal("agent:run") ?? refusal("project:write")}
          />
        )
      }
    >
      <RunContent run={run} readAt={dataUpdatedAt} />
    </Page>
  );
}
