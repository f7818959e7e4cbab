import { getRouteApi } from "@tanstack/react-router";
import { lazy, type ReactElement, Suspense } from "react";
import type { Project } from "#shared/api/code/projects.js";
import { PermissionHint } from "../../../access/permission-hint.js";
import { AgentsView } from "../../work/parts/board/agents-view.js";
import { useNewDialog } from "../../../forms/dialog-search.js";
import { loadPart } from "../../../hooks/connection.js";
import { Button } from "../../../ui/actions/button.js";
import { ProjectFrame } from "./project-frame.js";

const NewAgentDialog = lazy(async () => ({
  default: (await loadPart(() => import("../../work/parts/agents/new-agent-dialog.js")))
    .NewAgentDialog,
}));

const route = getRouteApi("/app/projects/$projectId/agents");

/** The agents of a project. */
export function ProjectAgentsPage(): ReactElement {
  const { projectId } = route.useParams();
  return (
    <ProjectFrame projectId={projectId} tab="agents">
      {(project, refusal) => <Agents project={project} reason={refusal("agent:write")} />}
    </ProjectFrame>
  );
}

interface AgentsProps {
  project: Project;
  /** Why the viewer may not create agents. */
  reason: string | undefined;
}

function Agents({ project, reason }: AgentsProps): ReactElement {
  const dialog = useNewDialog();
  return (
    <>
      <PermissionHint reason={reason} />
      <AgentsView
        title="Agents"
        actions={
          <Button icon="plus" disabledReason={reason} onClick={dialog.open}>
            New agent
          </Button>
        }
        orgId={project.organization_id}
        filter={{ project_id: project.id }}
        empty="No agent works on this project yet."
      />
      {dialog.isOpen && reason === undefined && (
        <Suspense>
          <NewAgentDialog
            isOpen
            onClose={dialog.close}
            orgId={project.organization_id}
            projectId={project.id}
          />
        </Suspense>
      )}
    </>
  );
}
