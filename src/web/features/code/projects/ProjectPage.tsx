import { getRouteApi } from "@tanstack/react-router";
import { lazy, type ReactElement, Suspense } from "react";
import { PermissionHint } from "../../../access/permission-hint.js";
import { ProjectRadar } from "./overview/project-radar.js";
import { AgentsSummary } from "./overview/agents-summary.js";
import { CloneCard, DetailsCard } from "./overview/details-card.js";
import { MergesSummary } from "./overview/merges-summary.js";
import { QueueSummary } from "./overview/queue-summary.js";
import { ProjectFrame } from "./project-frame.js";
import { loadPart } from "../../../hooks/connection.js";

// Shown while an import is under way, or after it has failed.
const UpstreamCard = lazy(async () => ({
  default: (await loadPart(() => import("./repository/upstream-card.js"))).UpstreamCard,
}));

const route = getRouteApi("/app/projects/$projectId");

/** A project's overview: upcoming conflicts, what is under way, and what was merged last. */
export function ProjectPage(): ReactElement {
  const { projectId } = route.useParams();
  return (
    <ProjectFrame projectId={projectId} tab="overview">
      {(project, refusal) => {
        const reason = refusal("agent:write");
        return (
          <>
            <PermissionHint reason={reason} />
            {project.status !== "ready" && project.upstream !== null && (
              <Suspense>
                <UpstreamCard project={project} upstream={project.upstream} refusal={refusal} />
              </Suspense>
            )}
            <ProjectRadar projectId={projectId} />
            <div className="grid items-start gap-5 xl:grid-cols-2">
              <div className="flex min-w-0 flex-col gap-5">
                <QueueSummary project={project} />
                <AgentsSummary project={project} disabledReason={reason} />
              </div>
              <div className="flex min-w-0 flex-col gap-5">
                <MergesSummary project={project} />
                <CloneCard project={project} />
              </div>
            </div>
            <DetailsCard project={project} />
          </>
        );
      }}
    </ProjectFrame>
  );
}
