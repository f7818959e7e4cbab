import { queryOptions } from "@tanstack/react-query";
import { client } from "../client.js";

export const offerQuery = (token: string) =>
  queryOptions({
    queryKey: ["invitation", token],
    queryFn: async ({ signal }) =>
      (await client.invitations.get({ params: { token } }, { signal })).data,
  });

/** The token where an address to return to is that of an invitation. */
export function invitationTokenOf(redirect: string | undefined): string | undefined {
  return /^\/invitations\/([\w-]{43})$/.exec(redirect ?? "")?.[1];
}
