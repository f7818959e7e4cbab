import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { paths } from "../../paths.js";
import { PlainText } from "../../ui/plain-text.js";
import { agentQuery } from "../agents/queries.js";
import { projectQuery } from "../projects/queries.js";

/** The way to an agent's pages: its project, and all agents. */
export function useWorkspaceCrumbs(agentId: string, isBelow = false): ReactNode[] {
  const { data: agent } = useQuery(agentQuery(agentId));
  const { data: project } = useQuery({
    ...projectQuery(agent?.project_id ?? ""),
    enabled: agent !== undefined,
  });
  const crumbs: ReactNode[] = [];
  if (project) {
    crumbs.push(
      <Link {...paths.project(project.id)}>
        <PlainText value={project.name} />
      </Link>,
    );
  }
  crumbs.push(<Link {...paths.agents()}>Agents</Link>);
  if (isBelow) {
    crumbs.push(
      <Link {...paths.workspace(agentId)}>
        {agent ? <PlainText value={`Agent: ${agent.name}`} /> : "Workspace"}
      </Link>,
    );
  }
  return crumbs;
}
