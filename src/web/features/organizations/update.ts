import { api } from "#shared/api/index.js";
import type { Organization } from "#shared/api/organizations.js";
import { type Action, useAction } from "../../action.js";
import { checked, client } from "../../api.js";
import { organizationsKey } from "./queries.js";

export type OrganizationChange = Parameters<typeof client.organizations.update>[0]["body"];

/** Saves some fields of an organization. */
export function useUpdateOrganization(
  orgId: string,
  message: string,
  onDone: (organization: Organization) => void = () => {},
): Action<OrganizationChange> {
  return useAction({
    run: (change: OrganizationChange) =>
      client.organizations.update({
        params: { org_id: orgId },
        body: checked(api.organizations.update, change),
      }),
    refresh: [organizationsKey],
    say: () => message,
    onDone,
  });
}
