import { getRouteApi } from "@tanstack/react-router";
import type { ReactElement } from "react";
import { TaskList } from "../../work/parts/tasks/task-list.js";
import { ProjectFrame } from "./project-frame.js";

const route = getRouteApi("/app/projects/$projectId/tasks");

/** The tasks of a project. */
export function ProjectTasksPage(): ReactElement {
  const { projectId } = route.useParams();
  return (
    <ProjectFrame projectId={projectId} tab="tasks">
      {({ organization_id }) => <TaskList place={{ projectId }} orgId={organization_id} />}
    </ProjectFrame>
  );
}
