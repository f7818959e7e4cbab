import { signedInMarker } from "#shared/signed-in-marker.js";

/** Whether it is worth asking who is signed in: somebody did sign in, and did not sign out. */
export function mayBeSignedIn(): boolean {
  return document.cookie.split("; ").some((cookie) => cookie.startsWith(`${signedInMarker}=`));
}

/** The session is over: the next visit need not ask. */
export function forgetSignIn(): void {
  document.cookie = `${signedInMarker}=; Max-Age=0; Path=/`;
}
