import { Link } from "@tanstack/react-router";
import { lazy, type ReactElement, Suspense } from "react";
import type { Project } from "#shared/api/code/projects.js";
import { loadPart } from "../../../hooks/connection.js";
import { useNewDialog } from "../../../forms/dialog-search.js";
import { useListView } from "../../../lists/list-search.js";
import { paths } from "../../../paths/paths.js";
import { Button } from "../../../ui/actions/button.js";
import { Card } from "../../../ui/layout/card.js";
import { CopyIcon } from "../../../ui/feedback/copy-button.js";
import { Alert } from "../../../ui/feedback/alert.js";
import {
  ListToolbar,
  type ListView,
  NothingFound,
  Pager,
  type Sorting,
} from "../../../ui/tables/list-view.js";
import { formatNumber } from "../../../ui/text/number.js";
import { Page } from "../../../ui/layout/page.js";
import { PlainText, visible } from "../../../ui/text/plain-text.js";
import { EmptyState } from "../../../ui/feedback/states.js";
import { Table } from "../../../ui/tables/table.js";
import { RelativeTime } from "../../../ui/text/time.js";
import { PermissionHint } from "../../../access/permission-hint.js";
import { useLoaded } from "../../../api/use-loaded.js";
import { useDenyReason } from "../../../access/permissions.js";
import { RequireOrganization } from "../../organization/parts/require-organization.js";
import { CrumbLink } from "../../../components/crumb-link.js";
import { ProjectStatus } from "../parts/projects/project-status.js";
import { projectsQuery } from "../../../api/queries/code/projects.js";

const NewProjectDialog = lazy(async () => ({
  default: (await loadPart(() => import("../parts/projects/new-project-dialog.js")))
    .NewProjectDialog,
}));

const sortings: readonly Sorting<Project>[] = [
  { key: "name", label: "Name", by: ({ name }) => name },
  { key: "status", label: "Status", by: ({ status }) => status },
  { key: "agents", label: "Agents", by: ({ counts }) => counts.agents },
  { key: "workspaces", label: "Workspaces", by: ({ counts }) => counts.workspaces },
  { key: "merges", label: "Merges", by: ({ counts }) => counts.merges },
  { key: "updated", label: "Updated", by: ({ updated_at }) => updated_at },
];
const textOf = ({ name, slug, description }: Project): string =>
  [name, slug, description].join(" ");

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
  const { data: projects } = useLoaded(projectsQuery(orgId));
  const writeReason = useDenyReason(orgId)("project:write");
  const dialog = useNewDialog();
  const view = useListView(projects, { sortings, textOf });

  const newProject = (
    <Button variant="primary" icon="plus" disabledReason={writeReason} onClick={dialog.open}>
      New project
    </Button>
  );
  return (
    <Page
      title="Projects"
      crumbs={[
        <CrumbLink key="organization" {...paths.organization(orgId)}>
          <PlainText value={orgName} />
        </CrumbLink>,
      ]}
      description={
        <>
          Git repositories of <PlainText value={orgName} />
        </>
      }
      actions={newProject}
    >
      <PermissionHint reason={writeReason} />
      {projects.length === 0 ? (
        <EmptyState title="No projects yet" action={newProject}>
          A project is a git repository that agents work on. Start an empty one, or import one you
          have.
        </EmptyState>
      ) : (
        <>
          <ListToolbar view={view} noun="project" placeholder="Name or description" hasShortcut />
          <Card isFlush>
            {view.found === 0 ? (
              <NothingFound view={view} noun="project" />
            ) : (
              <ProjectTable view={view} />
            )}
            <Pager view={view} label="Pages of projects" />
          </Card>
        </>
      )}
      {dialog.isOpen && writeReason === undefined && (
        <Suspense>
          <NewProjectDialog isOpen onClose={dialog.close} orgId={orgId} />
        </Suspense>
      )}
    </Page>
  );
}

function ProjectTable({ view }: { view: ListView<Project> }): ReactElement {
  return (
    <Table
      label="Projects"
      view={view}
      rows={view.pageRows}
      rowKey={({ id }) => id}
      renderDetails={({ error }) =>
        error === null ? undefined : (
          <Alert>
            <PlainText value={error} multiline />
          </Alert>
        )
      }
      columns={[
        {
          name: "Project",
          sortKey: "name",
          renderCell: (project) => (
            <div className="min-w-0">
              <Link
                {...paths.project(project.id)}
                className="font-medium text-accent-ink hover:underline"
              >
                <PlainText value={project.name} />
              </Link>
              {project.description !== null && (
                <div className="line-clamp-1 max-w-96 text-[13px] text-muted">
                  <PlainText value={project.description} />
                </div>
              )}
            </div>
          ),
        },
        {
          name: "Status",
          sortKey: "status",
          renderCell: (project) => <ProjectStatus project={project} />,
        },
        {
          name: "Agents",
          sortKey: "agents",
          isNumber: true,
          renderCell: ({ counts }) => formatNumber(counts.agents),
        },
        {
          name: "Workspaces",
          sortKey: "workspaces",
          isNumber: true,
          renderCell: ({ counts }) => formatNumber(counts.workspaces),
        },
        {
          name: "Merges",
          sortKey: "merges",
          isNumber: true,
          renderCell: ({ counts }) => formatNumber(counts.merges),
        },
        {
          name: "Updated",
          sortKey: "updated",
          renderCell: ({ updated_at }) => <RelativeTime value={updated_at} />,
        },
        {
          name: "Clone",
          renderCell: ({ name, clone_url }) => (
            <div className="-ml-1.5 wide:ml-0 wide:text-right">
              <CopyIcon text={clone_url} label={`Copy clone address of ${visible(name)}`} />
            </div>
          ),
        },
      ]}
    />
  );
}
