import { signedInMarker } from "#shared/first-answers.js";
import { isOwnOrigin, sessionCookie, type Actor } from "../../../../access/authenticate.js";
import type { RequestHead } from "../../../../access/request-head.js";
import { Answer, type Cookie } from "../../../../http/answers/answer.js";
import type { AuthService } from "../auth-service.js";
import type { SessionOrigin } from "./sessions.queries.js";
import type { SignedIn } from "../sign-in.js";

/** Returns the cookie attributes: inaccessible to scripts and to other sites' forms. */
export function cookieOptions(publicUrl: string) {
  return {
    httpOnly: true,
    sameSite: "lax" as const,
    path: "/",
    secure: publicUrl.startsWith("https:"),
  };
}

/**
 * Attributes of a second cookie that scripts can read and that grants nothing. It tells the pages
 * whether to request the user, which avoids a 401 in the console of visitors.
 */
function markerOptions(publicUrl: string) {
  return { ...cookieOptions(publicUrl), httpOnly: false };
}

const cookieSeconds = 365 * 86_400;

/** The cookies of a session, with the marker. */
export function sessionCookies({ cookie }: Pick<SignedIn, "cookie">, publicUrl: string): Cookie[] {
  const maxAge = cookieSeconds;
  return [
    { name: sessionCookie, value: cookie, options: { ...cookieOptions(publicUrl), maxAge } },
    { name: signedInMarker, value: "1", options: { ...markerOptions(publicUrl), maxAge } },
  ];
}

/** Answers with the tokens of a session, and sets its cookies. */
export function answerSignedIn(signedIn: SignedIn, publicUrl: string): Answer<SignedIn["tokens"]> {
  return new Answer(signedIn.tokens, { cookies: sessionCookies(signedIn, publicUrl) });
}

/** Deletes the cookies of a session. */
export function clearedSessionCookies(publicUrl: string): Cookie[] {
  return [
    { name: sessionCookie, value: null, options: cookieOptions(publicUrl) },
    { name: signedInMarker, value: null, options: markerOptions(publicUrl) },
  ];
}

/** Returns the origin of a sign-in, for the list of sessions. */
export function originOf(request: Pick<RequestHead, "ip" | "headers">): SessionOrigin {
  return { ip: request.ip, user_agent: request.headers["user-agent"]?.slice(0, 500) ?? null };
}

/**
 * Returns the actor of the session in a request to a public endpoint, by access token or cookie, or
 * null. A cookie sent from another site's page does not count.
 * @throws AppError 401 for an invalid access token
 */
export async function signedInActor(
  request: RequestHead,
  auth: Pick<AuthService, "actorOf">,
  publicUrl: string,
): Promise<Actor | null> {
  const token = /^Bearer (oat_\S+)$/i.exec(request.headers.authorization ?? "")?.[1];
  if (token !== undefined) return auth.actorOf("access", token);
  const cookie = request.cookies[sessionCookie];
  if (!cookie || !isOwnOrigin(request, publicUrl)) return null;
  return auth.actorOf("cookie", cookie).catch(() => null);
}
