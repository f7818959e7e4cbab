import { queryOptions } from "@tanstack/react-query";
import { client, everyPage } from "../client.js";
import { organizationsKey } from "./organizations.js";

/** The runners that take runs of an organization. */
export const runnersQuery = (orgId: string) =>
  queryOptions({
    queryKey: [...organizationsKey, orgId, "runners"],
    queryFn: ({ signal }) =>
      everyPage((query) =>
        client.runners.available({ params: { org_id: orgId }, query }, { signal }),
      ),
  });
