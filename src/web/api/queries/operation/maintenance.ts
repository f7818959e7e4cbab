import { queryOptions } from "@tanstack/react-query";
import type { MaintenanceState } from "#shared/api/operation/maintenance.js";
import { maintenanceId } from "#shared/first-answers.js";
import { client } from "../../client.js";

export const maintenanceKey = ["maintenance"] as const;

/** The maintenance of the installation; the page has its first state. */
export const maintenanceQuery = queryOptions({
  queryKey: maintenanceKey,
  queryFn: async ({ signal }) => (await client.maintenance.status(undefined, { signal })).data,
  initialData: (): MaintenanceState => {
    const text = document.getElementById(maintenanceId)?.textContent;
    return text === undefined || text === null
      ? { active: false, message: null, since: null }
      : (JSON.parse(text) as MaintenanceState);
  },
  staleTime: 60_000,
  refetchInterval: 60_000,
});
