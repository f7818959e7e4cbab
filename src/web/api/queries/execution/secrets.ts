import { queryOptions } from "@tanstack/react-query";
import { client, everyPage } from "../../client.js";
import { organizationsKey } from "../organization/organizations.js";
import { projectsKey } from "../code/projects.js";

/** An organization, or a project of it, with its secrets. */
export interface SecretOwner {
  orgId: string;
  /** Null for the organization itself. */
  projectId: string | null;
}

export const secretsQuery = ({ orgId, projectId }: SecretOwner) =>
  queryOptions({
    queryKey:
      projectId === null
        ? [...organizationsKey, orgId, "secrets"]
        : [...projectsKey, projectId, "secrets"],
    queryFn: ({ signal }) =>
      everyPage((query) =>
        projectId === null
          ? client.organizationSecrets.list({ params: { org_id: orgId }, query }, { signal })
          : client.projectSecrets.list({ params: { project_id: projectId }, query }, { signal }),
      ),
  });
