import { queryOptions } from "@tanstack/react-query";
import { signedInMarker } from "#shared/signed-in-marker.js";
import { client } from "../../api.js";
import { versioned } from "../../versions.js";

/** Whether it is worth asking who is signed in: somebody did sign in, and did not sign out. */
export function mayBeSignedIn(): boolean {
  return document.cookie.split("; ").some((cookie) => cookie.startsWith(`${signedInMarker}=`));
}

/** The session is over: the next visit need not ask. */
export function forgetSignIn(): void {
  document.cookie = `${signedInMarker}=; Max-Age=0; Path=/`;
}

export const meQuery = queryOptions({
  queryKey: ["me"],
  queryFn: async ({ signal }) => versioned(await client.auth.me(undefined, { signal })),
  structuralSharing: false,
  staleTime: 60_000,
});

/** The ways to sign in that this installation offers. */
export const methodsQuery = queryOptions({
  queryKey: ["sign-in methods"],
  queryFn: async ({ signal }) => (await client.auth.methods(undefined, { signal })).data,
  staleTime: 60_000,
});
