import { queryOptions } from "@tanstack/react-query";
import { client } from "../client.js";

export const offerQuery = (token: string) =>
  queryOptions({
    queryKey: ["invitation", token],
    queryFn: async ({ signal }) =>
      (await client.invitations.get({ params: { token } }, { signal })).data,
  });

/** Returns the token if a return address is an invitation's page. */
export function invitationTokenOf(redirect: string | undefined): string | undefined {
  return /^\/invitations\/([\w-]{43})$/.exec(redirect ?? "")?.[1];
}
