import { useQuery } from "@tanstack/react-query";
import type { ReactElement, ReactNode } from "react";
import type { Project } from "#shared/api/code/projects.js";
import { useDenyReason } from "../../../access/permissions.js";
import type { DenyReason } from "../../../access/deny-reason.js";
import { organizationQuery } from "../../../api/queries/organization/organizations.js";
import { projectQuery } from "../../../api/queries/code/projects.js";
import { useLoaded } from "../../../api/use-loaded.js";
import { CrumbLink } from "../../../components/crumb-link.js";
import { PageTabs } from "../../../components/page-tabs.js";
import { paths } from "../../../paths/paths.js";
import { Alert } from "../../../ui/feedback/alert.js";
import { useAnnounceChange } from "../../../ui/feedback/toast.js";
import { Page, UnknownCrumb } from "../../../ui/layout/page.js";
import { PlainText, visible } from "../../../ui/text/plain-text.js";

const tabs = {
  overview: { label: "Overview", path: paths.project },
  tasks: { label: "Tasks", path: paths.projectTasks },
  agents: { label: "Agents", path: paths.projectAgents },
  merges: { label: "Merges and queue", path: paths.projectMerges },
  branches: { label: "Branches", path: paths.projectBranches },
  automations: { label: "Automations", path: paths.projectAutomations },
  settings: { label: "Settings", path: paths.projectSettings },
} as const;
type Tab = keyof typeof tabs;

interface ProjectFrameProps {
  projectId: string;
  tab: Tab;
  children: (project: Project, refusal: DenyReason) => ReactNode;
}

/** What all tabs of a project share: breadcrumbs, heading, the import's error, and links to the tabs. */
export function ProjectFrame({ projectId, tab, children }: ProjectFrameProps): ReactElement {
  const { data: project } = useLoaded(projectQuery(projectId));
  const orgId = project.organization_id;
  const organization = useQuery(organizationQuery(orgId));
  const refusal = useDenyReason(orgId);
  const { status } = project;
  const ends = { importing: undefined, ready: "The import is done", failed: "The import failed" };
  useAnnounceChange(projectId, status, ends[status]);
  const { label } = tabs[tab];
  const isFirst = tab === "overview";
  return (
    <Page
      title={project.name}
      {...(isFirst
        ? {}
        : { part: label, crumb: label, documentTitle: `${label} of ${visible(project.name)}` })}
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
        ...(isFirst
          ? []
          : [
              <CrumbLink key="project" {...paths.project(projectId)}>
                <PlainText value={project.name} />
              </CrumbLink>,
            ]),
      ]}
      description={
        project.description !== null && <PlainText value={project.description} multiline />
      }
    >
      <PageTabs
        label="Project"
        current={tab}
        tabs={(Object.keys(tabs) as Tab[]).map((name) => ({
          name,
          label: tabs[name].label,
          link: tabs[name].path(projectId),
        }))}
      />
      {project.error !== null && (
        <Alert>
          <PlainText value={project.error} multiline />
        </Alert>
      )}
      {children(project, refusal)}
    </Page>
  );
}
