import { queryOptions } from "@tanstack/react-query";
import { ApiError, client } from "../../client.js";

/** The invitation of a link, or null if the link is incomplete or no longer valid. */
export const offerQuery = (token: string) =>
  queryOptions({
    queryKey: ["invitation", token],
    queryFn: async ({ signal }) => {
      try {
        return (await client.invitations.get({ params: { token } }, { signal })).data;
      } catch (error) {
        if (error instanceof ApiError && error.status === 404) return null;
        throw error;
      }
    },
  });

/** Returns the token if a return address is an invitation's page. */
export function invitationTokenOf(redirect: string | undefined): string | undefined {
  return /^\/invitations\/([\w-]{43})$/.exec(redirect ?? "")?.[1];
}
