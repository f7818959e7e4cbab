import { getRouteApi } from "@tanstack/react-router";
import type { ReactElement } from "react";
import { CommitGraph } from "./graph/commit-graph.js";
import { BranchesCard } from "./branches-card.js";
import { ProjectFrame } from "../project-frame.js";
import { UpstreamCard } from "./upstream-card.js";
import { WorkspacesCard } from "../workspaces-card.js";

const route = getRouteApi("/app/projects/$projectId/branches");

/** The branches of a project: their tips, their commits, the workspaces, and the upstream. */
export function ProjectBranchesPage(): ReactElement {
  const { projectId } = route.useParams();
  return (
    <ProjectFrame projectId={projectId} tab="branches">
      {(project, refusal) => (
        <>
          {project.upstream !== null && (
            <UpstreamCard project={project} upstream={project.upstream} refusal={refusal} />
          )}
          <CommitGraph project={project} refusal={refusal} />
          <BranchesCard project={project} />
          <WorkspacesCard projectId={projectId} />
        </>
      )}
    </ProjectFrame>
  );
}
