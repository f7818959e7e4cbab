import { signedInMarker } from "#shared/first-answers.js";

/** Whether a request for the current user is worthwhile: true from sign-in until sign-out. */
export function mayBeSignedIn(): boolean {
  return document.cookie.split("; ").some((cookie) => cookie.startsWith(`${signedInMarker}=`));
}

/** Records that the session is over, so that the next visit skips the request. */
export function forgetSignIn(): void {
  document.cookie = `${signedInMarker}=; Max-Age=0; Path=/`;
}
