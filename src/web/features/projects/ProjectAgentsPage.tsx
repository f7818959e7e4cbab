import { getRouteApi } from "@tanstack/react-router";
import type { ReactElement } from "react";
import { PermissionHint } from "../../access/permission-hint.js";
import { AgentList } from "../../components/agents/agent-list.js";
import { Card } from "../../ui/layout/card.js";
import { NewAgentButton } from "./new-agent-button.js";
import { ProjectFrame } from "./project-frame.js";

const route = getRouteApi("/app/projects/$projectId/agents");

/** The agents of a project. */
export function ProjectAgentsPage(): ReactElement {
  const { projectId } = route.useParams();
  return (
    <ProjectFrame projectId={projectId} tab="agents">
      {(project, refusal) => {
        const reason = refusal("agent:write");
        return (
          <>
            <PermissionHint reason={reason} />
            <Card
              title="Agents"
              actions={<NewAgentButton project={project} disabledReason={reason} />}
            >
              <AgentList
                filter={{ project_id: projectId }}
                empty="No agent works on this project yet."
              />
            </Card>
          </>
        );
      }}
    </ProjectFrame>
  );
}
