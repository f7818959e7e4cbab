import { useQuery } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { type ReactElement, useState } from "react";
import { useLoaded } from "../../api/use-loaded.js";
import { paths } from "../../paths/paths.js";
import { Alert } from "../../ui/feedback/alert.js";
import { Button } from "../../ui/actions/button.js";
import { Card, Details } from "../../ui/layout/card.js";
import { CopyLine } from "../../ui/actions/copy-button.js";
import { DeferredRender } from "../../ui/layout/deferred-render.js";
import { formatNumber } from "../../ui/text/number.js";
import { CrumbLink } from "../../components/crumb-link.js";
import { Page, UnknownCrumb } from "../../ui/layout/page.js";
import { PlainText } from "../../ui/text/plain-text.js";
import { Time } from "../../ui/text/time.js";
import { useAnnounceChange } from "../../ui/feedback/toast.js";
import { AgentList } from "../../components/agents/agent-list.js";
import { NewAgentDialog } from "../../components/agents/new-agent-dialog.js";
import { CommitGraph } from "../../components/graph/commit-graph.js";
import { organizationQuery } from "../../api/queries/organizations.js";
import { PermissionHint } from "../../access/permission-hint.js";
import { useDenyReason } from "../../access/permissions.js";
import { ProjectRadar } from "../../components/radar/project-radar.js";
import { EnvironmentCard } from "./environment/environment-card.js";
import { MergeQueueCard } from "./merge-queue-card.js";
import { ChecksCard } from "./protection/checks-card.js";
import { ProtectedBranchesCard } from "./protection/protected-branches-card.js";
import { BranchesCard } from "./branches-card.js";
import { MergeDriversCard } from "./merge-drivers-card.js";
import { ProjectDangerZone } from "./project-danger-zone.js";
import { ProjectMerges, ProjectWorkspaces } from "./project-lists.js";
import { SecretsCard } from "../../components/secrets/secrets-card.js";
import { ProjectBudgets } from "../../components/usage/budgets-card.js";
import { ProjectStatus } from "../../components/projects/project-status.js";
import { projectQuery } from "../../api/queries/projects.js";
import { UpstreamCard } from "./upstream-card.js";

const route = getRouteApi("/app/projects/$projectId");

export function ProjectPage(): ReactElement {
  const { projectId } = route.useParams();
  const { data: project } = useLoaded(projectQuery(projectId));
  const orgId = project.organization_id;
  const organization = useQuery(organizationQuery(orgId));
  const refusal = useDenyReason(orgId);
  const agentReason = refusal("agent:write");
  const [isAdding, setAdding] = useState(false);
  const { status } = project;
  const ends = { importing: undefined, ready: "The import is done", failed: "The import failed" };
  useAnnounceChange(projectId, status, ends[status]);

  const addAgent = (
    <Button icon="plus" disabledReason={agentReason} onClick={() => setAdding(true)}>
      New agent
    </Button>
  );
  return (
    <Page
      title={project.name}
      crumbs={[
        ...(organization.isPending ? [<UnknownCrumb key="unknown" />] : []),
        ...(organization.data
          ? [
              <CrumbLink key="organization" {...paths.organization(organization.data.id)}>
                <PlainText value={organization.data.name} />
              </CrumbLink>,
            ]
          : []),
        <CrumbLink key="projects" {...paths.projects()}>
          Projects
        </CrumbLink>,
      ]}
      description={
        project.description !== null && <PlainText value={project.description} multiline />
      }
    >
      {project.error !== null && (
        <Alert>
          <PlainText value={project.error} multiline />
        </Alert>
      )}
      <Card title="Details">
        <div className="flex flex-col gap-4">
          <Details
            columns={2}
            rows={{
              Status: <ProjectStatus project={project} />,
              "Default branch": (
                <PlainText value={project.default_branch} className="font-mono text-[13px]" />
              ),
              Slug: <code className="font-mono text-[13px]">{project.slug}</code>,
              Agents: formatNumber(project.counts.agents),
              Workspaces: formatNumber(project.counts.workspaces),
              Merges: formatNumber(project.counts.merges),
              Created: <Time value={project.created_at} />,
              Updated: <Time value={project.updated_at} />,
            }}
          />
          <div className="flex flex-col gap-1.5">
            <p className="text-[13px] font-medium">Clone</p>
            <CopyLine text={`git clone ${project.clone_url}`} label="Copy clone command" />
            <p className="text-[13px] text-muted">
              Git asks for a login: use any user name and an{" "}
              <Link {...paths.apiKeys()} className="text-accent-ink underline">
                API key
              </Link>{" "}
              as the password.
            </p>
          </div>
        </div>
      </Card>
      {project.upstream !== null && (
        <UpstreamCard project={project} upstream={project.upstream} refusal={refusal} />
      )}
      <PermissionHint reason={agentReason} />
      <Card title="Agents" actions={addAgent}>
        <AgentList
          filter={{ project_id: project.id }}
          empty="No agent works on this project yet."
        />
      </Card>
      <DeferredRender>
        <CommitGraph project={project} refusal={refusal} />
        <ProjectRadar projectId={project.id} />
        <MergeQueueCard project={project} refusal={refusal} />
        <ProtectedBranchesCard project={project} refusal={refusal} />
        <ChecksCard project={project} refusal={refusal} />
        <EnvironmentCard project={project} refusal={refusal} />
        <SecretsCard owner={{ orgId, projectId: project.id }} refusal={refusal} />
        <ProjectBudgets project={project} refusal={refusal} />
        <BranchesCard project={project} />
        <ProjectWorkspaces projectId={project.id} />
        <ProjectMerges projectId={project.id} />
        <MergeDriversCard project={project} refusal={refusal} />
        <ProjectDangerZone project={project} refusal={refusal} />
      </DeferredRender>
      <NewAgentDialog
        isOpen={isAdding}
        onClose={() => setAdding(false)}
        orgId={project.organization_id}
        projectId={project.id}
      />
    </Page>
  );
}
