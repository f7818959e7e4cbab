import { useQuery } from "@tanstack/react-query";
import { useParams } from "@tanstack/react-router";
import { useLayoutEffect } from "react";
import { switchOrganization, useCurrentOrganization } from "../../access/current-organization.js";
import { projectQuery } from "../../api/queries/code/projects.js";
import { agentQuery } from "../../api/queries/work/agents.js";
import { taskQuery } from "../../api/queries/work/tasks.js";

/**
 * Returns the organization of the page's object, once it is loaded; undefined on other pages, such as lists.
 * The route loads the object: this only waits for it.
 */
export function useOrganizationOfPage(): string | undefined {
  const { orgId, projectId, agentId, taskId } = useParams({ strict: false });
  const { data: project } = useQuery({ ...projectQuery(projectId ?? ""), enabled: false });
  const { data: agent } = useQuery({ ...agentQuery(agentId ?? ""), enabled: false });
  const { data: task } = useQuery({ ...taskQuery(taskId ?? ""), enabled: false });
  return orgId ?? project?.organization_id ?? agent?.organization_id ?? task?.organization_id;
}

/** Returns the project of the page's object, once it is loaded; undefined on other pages. */
export function useProjectOfPage(): string | undefined {
  const { projectId, agentId, taskId } = useParams({ strict: false });
  const { data: agent } = useQuery({ ...agentQuery(agentId ?? ""), enabled: false });
  const { data: task } = useQuery({ ...taskQuery(taskId ?? ""), enabled: false });
  return projectId ?? agent?.project_id ?? task?.project_id;
}

/** Makes the organization of the open object the current one, if the viewer belongs to it. */
export function useFollowOrganization(): void {
  const { organization, organizations } = useCurrentOrganization();
  const shown = useOrganizationOfPage();
  const isOther = shown !== organization?.id && organizations.some(({ id }) => id === shown);
  useLayoutEffect(() => {
    if (isOther && shown !== undefined) switchOrganization(shown);
  }, [isOther, shown]);
}
