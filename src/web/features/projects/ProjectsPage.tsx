import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { type ReactElement, useState } from "react";
import type { Project } from "#shared/api/projects.js";
import { paths } from "../../paths.js";
import { Button } from "../../ui/button.js";
import { Card } from "../../ui/card.js";
import { CopyLine } from "../../ui/copy-button.js";
import { Alert } from "../../ui/alert.js";
import { countOf } from "../../ui/number.js";
import { Page } from "../../ui/page.js";
import { PlainText } from "../../ui/plain-text.js";
import { EmptyState, Skeleton } from "../../ui/states.js";
import { PermissionHint } from "../organizations/permission-hint.js";
import { useRefusal } from "../organizations/permissions.js";
import { RequireOrganization } from "../organizations/require-organization.js";
import { QueryError } from "../shell/query-state.js";
import { NewProjectDialog } from "./new-project-dialog.js";
import { ProjectStatus } from "./project-status.js";
import { projectsQuery } from "./queries.js";

export function ProjectsPage(): ReactElement {
  return (
    <RequireOrganization title="Projects">
      {(organization) => (
        <ProjectList key={organization.id} orgId={organization.id} orgName={organization.name} />
      )}
    </RequireOrganization>
  );
}

function ProjectList({ orgId, orgName }: { orgId: string; orgName: string }): ReactElement {
  const projects = useQuery(projectsQuery(orgId));
  const writeReason = useRefusal(orgId)("project:write");
  const [isAdding, setAdding] = useState(false);

  const newProject = (
    <Button
      variant="primary"
      icon="plus"
      disabledReason={writeReason}
      onClick={() => setAdding(true)}
    >
      New Project
    </Button>
  );
  return (
    <Page
      title="Projects"
      description={
        <>
          Git repositories of <PlainText value={orgName} />
        </>
      }
      actions={newProject}
    >
      <PermissionHint reason={writeReason} />
      {projects.isPending ? (
        <Skeleton />
      ) : projects.isError ? (
        <QueryError error={projects.error} onRetry={() => void projects.refetch()} />
      ) : projects.data.length === 0 ? (
        <EmptyState title="No projects yet" action={newProject}>
          A project is a git repository that agents work on. Start an empty one, or import one you
          have.
        </EmptyState>
      ) : (
        <div className="flex flex-col gap-4">
          {projects.data.map((project) => (
            <ProjectCard key={project.id} project={project} />
          ))}
        </div>
      )}
      <NewProjectDialog isOpen={isAdding} onClose={() => setAdding(false)} orgId={orgId} />
    </Page>
  );
}

function ProjectCard({ project }: { project: Project }): ReactElement {
  const { counts } = project;
  return (
    <Card
      title={
        <Link {...paths.project(project.id)} className="text-accent-ink hover:underline">
          <PlainText value={project.name} />
        </Link>
      }
      actions={<ProjectStatus project={project} />}
    >
      <div className="flex flex-col gap-3">
        {project.error !== null && (
          <Alert>
            <PlainText value={project.error} multiline />
          </Alert>
        )}
        {project.description && (
          <p className="text-muted">
            <PlainText value={project.description} multiline />
          </p>
        )}
        <div className="flex flex-col gap-1">
          <span className="text-muted">Clone address:</span>
          <CopyLine text={project.clone_url} label="Copy clone address" />
        </div>
        <p className="text-[13px] text-muted">
          {countOf(counts.agents, "agent")} · {countOf(counts.workspaces, "workspace")} ·{" "}
          {countOf(counts.merges, "merge")}
        </p>
      </div>
    </Card>
  );
}
