import { useNavigate } from "@tanstack/react-router";
import type { Member } from "#shared/api/members.js";
import { type Action, useApiMutation } from "../../api/use-mutation.js";
import { ApiError, client } from "../../api/client.js";
import { paths } from "../../paths/paths.js";
import { visible } from "../../ui/plain-text.js";
import { notify } from "../../ui/toast.js";
import { switchOrganization } from "../../access/current-organization.js";
import { organizationsKey } from "../../api/queries/organizations.js";
import { offerQuery } from "../../api/queries/invitations.js";

/** Goes to the organization that one has just joined. */
export function useWelcome(): (member: Member) => void {
  const navigate = useNavigate();
  return (member) => {
    switchOrganization(member.organization_id);
    notify(`You have joined as ${visible(member.role_name)}`);
    void navigate({ ...paths.organization(member.organization_id), replace: true });
  };
}

export function useAccept(token: string): Action<undefined> {
  const welcome = useWelcome();
  return useApiMutation({
    run: (_input: undefined, headers) =>
      client.invitations.accept({ params: { token } }, { headers }),
    refresh: [organizationsKey, offerQuery(token).queryKey],
    onDone: welcome,
  });
}

/** Accepts right after an account was made; null where it is refused, which the invitation's page explains. */
export async function acceptAtOnce(token: string): Promise<Member | null> {
  try {
    return (await client.invitations.accept({ params: { token } })).data;
  } catch (error) {
    if (error instanceof ApiError) return null;
    throw error;
  }
}
