import { useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { paths } from "../../../../paths/paths.js";
import { UnknownCrumb } from "../../../../ui/layout/page.js";
import { PlainText } from "../../../../ui/text/plain-text.js";
import { CrumbLink } from "../../../../components/crumb-link.js";
import { agentQuery } from "../../../../api/queries/work/agents.js";
import { projectQuery } from "../../../../api/queries/code/projects.js";

/** Breadcrumbs of an agent's pages: the list of agents and the project. */
export function useWorkspaceCrumbs(agentId: string, isBelow = false): ReactNode[] {
  const { data: agent, isPending } = useQuery(agentQuery(agentId));
  const { data: project, isPending: isProjectPending } = useQuery({
    ...projectQuery(agent?.project_id ?? ""),
    enabled: agent !== undefined,
  });
  const crumbs: ReactNode[] = [];
  if (isPending || (agent && isProjectPending)) crumbs.push(<UnknownCrumb key="unknown" />);
  if (project) {
    crumbs.push(
      <CrumbLink key="project" {...paths.project(project.id)}>
        <PlainText value={project.name} />
      </CrumbLink>,
    );
  }
  crumbs.push(
    <CrumbLink key="agents" {...paths.agents()}>
      Agents
    </CrumbLink>,
  );
  if (isBelow) {
    crumbs.push(
      <CrumbLink key="workspace" {...paths.workspace(agentId)}>
        {agent ? <PlainText value={`Agent: ${agent.name}`} /> : "Workspace"}
      </CrumbLink>,
    );
  }
  return crumbs;
}
