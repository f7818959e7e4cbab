import { getRouteApi } from "@tanstack/react-router";
import type { ReactElement } from "react";
import { checkingReason } from "../../../access/deny-reason.js";
import { Alert } from "../../../ui/feedback/alert.js";
import { AutomationList } from "../../work/parts/automations/automation-list.js";
import { ProjectFrame } from "./project-frame.js";

const route = getRouteApi("/app/projects/$projectId/automations");

/** The automations of a project. */
export function ProjectAutomationsPage(): ReactElement {
  const { projectId } = route.useParams();
  return (
    <ProjectFrame projectId={projectId} tab="automations">
      {(_project, refusal) => {
        const reason = refusal("project:automation:read");
        if (reason !== undefined && reason !== checkingReason) {
          return <Alert tone="info">{reason}</Alert>;
        }
        return (
          <AutomationList
            projectId={projectId}
            canWrite={refusal("project:automation:write") === undefined}
          />
        );
      }}
    </ProjectFrame>
  );
}
