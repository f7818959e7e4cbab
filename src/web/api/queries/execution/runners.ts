import { queryOptions } from "@tanstack/react-query";
import { client, everyPage } from "../../client.js";
import { organizationsKey } from "../organization/organizations.js";

/** The machines that take runs of an organization. */
export const runnersQuery = (orgId: string) =>
  queryOptions({
    queryKey: [...organizationsKey, orgId, "runners"],
    queryFn: async ({ signal }) => {
      const all = await everyPage((query) =>
        client.runners.available({ params: { org_id: orgId }, query }, { signal }),
      );
      return all.filter(({ kind }) => kind === "machine");
    },
  });
