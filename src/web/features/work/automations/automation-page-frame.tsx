import { useQuery } from "@tanstack/react-query";
import type { ReactElement, ReactNode } from "react";
import { projectQuery } from "../../../api/queries/code/projects.js";
import { CrumbLink } from "../../../components/crumb-link.js";
import { paths } from "../../../paths/paths.js";
import { Page, UnknownCrumb } from "../../../ui/layout/page.js";
import { PlainText } from "../../../ui/text/plain-text.js";

interface FrameProps {
  projectId: string;
  title: string;
  crumb?: string;
  /** Breadcrumbs after the list of automations. */
  crumbs?: readonly ReactNode[];
  actions?: ReactNode;
  children: ReactNode;
}

const noCrumbs: readonly ReactNode[] = [];

/** The frame of the pages of one automation. */
export function AutomationPageFrame({
  projectId,
  crumbs = noCrumbs,
  ...page
}: FrameProps): ReactElement {
  const project = useQuery(projectQuery(projectId));
  return (
    <Page
      {...page}
      crumbs={[
        <CrumbLink key="projects" {...paths.projects()}>
          Projects
        </CrumbLink>,
        project.data ? (
          <CrumbLink key="project" {...paths.project(projectId)}>
            <PlainText value={project.data.name} />
          </CrumbLink>
        ) : (
          <UnknownCrumb key="unknown" />
        ),
        <CrumbLink key="automations" {...paths.projectAutomations(projectId)}>
          Automations
        </CrumbLink>,
        ...crumbs,
      ]}
    />
  );
}
