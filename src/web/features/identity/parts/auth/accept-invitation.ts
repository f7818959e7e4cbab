import { useNavigate } from "@tanstack/react-router";
import type { Member } from "#shared/api/organization/members.js";
import { type Action, useApiMutation } from "../../../../api/use-mutation.js";
import { ApiError, client } from "../../../../api/client.js";
import { paths } from "../../../../paths/paths.js";
import { visible } from "../../../../ui/text/plain-text.js";
import { notify } from "../../../../ui/feedback/toast.js";
import { switchOrganization } from "../../../../access/current-organization.js";
import { organizationsKey } from "../../../../api/queries/organization/organizations.js";
import { offerQuery } from "../../../../api/queries/organization/invitations.js";

/** Navigates to the organization that the viewer has just joined. */
export function useOpenJoinedOrganization(): (member: Member) => void {
  const navigate = useNavigate();
  return (member) => {
    switchOrganization(member.organization_id);
    notify(`You have joined as ${visible(member.role_name)}`);
    void navigate({ ...paths.organization(member.organization_id), replace: true });
  };
}

export function useAccept(token: string): Action<undefined> {
  const welcome = useOpenJoinedOrganization();
  return useApiMutation({
    run: (_input: undefined, headers) =>
      client.invitations.accept({ params: { token } }, { headers }),
    refresh: [organizationsKey, offerQuery(token).queryKey],
    onDone: welcome,
  });
}

/**
 * Accepts an invitation right after registration; null if that fails, which the invitation's page
 * explains.
 */
export async function acceptAfterRegistration(token: string): Promise<Member | null> {
  try {
    return (await client.invitations.accept({ params: { token } })).data;
  } catch (error) {
    if (error instanceof ApiError) return null;
    throw error;
  }
}
