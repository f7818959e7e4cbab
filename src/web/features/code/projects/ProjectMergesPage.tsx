import { getRouteApi } from "@tanstack/react-router";
import type { ReactElement } from "react";
import { MergeQueueCard } from "./merging/merge-queue-card.js";
import { MergesCard } from "./merging/merges-card.js";
import { ProjectFrame } from "./project-frame.js";

const route = getRouteApi("/app/projects/$projectId/merges");

/** The merge queue of a project, and all its merges. */
export function ProjectMergesPage(): ReactElement {
  const { projectId } = route.useParams();
  return (
    <ProjectFrame projectId={projectId} tab="merges">
      {(project, refusal) => (
        <>
          <MergeQueueCard project={project} refusal={refusal} />
          <MergesCard projectId={projectId} />
        </>
      )}
    </ProjectFrame>
  );
}
