import { queryOptions } from "@tanstack/react-query";
import type { ProtectionChange } from "#shared/api/code/protection-changes.js";
import { client } from "../../client.js";
import { projectsKey } from "./projects.js";

/** The change of a project's protection that waits for approvals; null for none. */
export const pendingChangeQuery = (projectId: string) =>
  queryOptions({
    queryKey: [...projectsKey, projectId, "protection-changes"],
    queryFn: async ({ signal }): Promise<ProtectionChange | null> => {
      const params = { project_id: projectId };
      const { data } = await client.protectionChanges.list({ params }, { signal });
      return data.find(({ status }) => status === "pending") ?? null;
    },
  });
