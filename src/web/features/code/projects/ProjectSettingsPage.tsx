import { getRouteApi } from "@tanstack/react-router";
import type { ReactElement } from "react";
import { SecretsCard } from "../../execution/parts/secrets/secrets-card.js";
import { ProjectBudgets } from "../../organization/parts/usage/budgets-card.js";
import { DeferredRender } from "../../../ui/layout/deferred-render.js";
import { ContainersCard } from "./containers-card.js";
import { EnvironmentCard } from "./environment/environment-card.js";
import { MergeDriversCard } from "./merging/merge-drivers-card.js";
import { ProjectDangerZone } from "./project-danger-zone.js";
import { ProjectFrame } from "./project-frame.js";
import { ChecksCard } from "./protection/checks-card.js";
import { PendingChange } from "./protection/pending-change.js";
import { ProtectedBranchesCard } from "./protection/protected-branches-card.js";
import { RepositoryCard } from "./repository/repository-card.js";

const route = getRouteApi("/app/projects/$projectId/settings");

/** How merges of a project are guarded and made, what its runs get, and its deletion. */
export function ProjectSettingsPage(): ReactElement {
  const { projectId } = route.useParams();
  return (
    <ProjectFrame projectId={projectId} tab="settings">
      {(project, refusal) => (
        <>
          <PendingChange project={project} refusal={refusal} />
          <ProtectedBranchesCard project={project} refusal={refusal} />
          <ChecksCard project={project} refusal={refusal} />
          <RepositoryCard project={project} refusal={refusal} />
          <DeferredRender>
            <MergeDriversCard project={project} refusal={refusal} />
            <EnvironmentCard project={project} refusal={refusal} />
            <ContainersCard project={project} refusal={refusal} />
            <SecretsCard owner={{ orgId: project.organization_id, projectId }} refusal={refusal} />
            <ProjectBudgets project={project} refusal={refusal} />
            <ProjectDangerZone project={project} refusal={refusal} />
          </DeferredRender>
        </>
      )}
    </ProjectFrame>
  );
}
