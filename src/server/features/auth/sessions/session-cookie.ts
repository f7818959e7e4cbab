import type { FastifyReply, FastifyRequest } from "fastify";
import { signedInMarker } from "#shared/signed-in-marker.js";
import { isOwnOrigin, sessionCookie, type Actor } from "../../../access/authenticate.js";
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

/** Sets the session cookie and returns the tokens for the response body. */
export function answerSignedIn(
  reply: FastifyReply,
  signedIn: SignedIn,
  publicUrl: string,
): SignedIn["tokens"] {
  reply.header("cache-control", "no-store");
  const maxAge = 365 * 86_400;
  reply.setCookie(sessionCookie, signedIn.cookie, { ...cookieOptions(publicUrl), maxAge });
  reply.setCookie(signedInMarker, "1", { ...markerOptions(publicUrl), maxAge });
  return signedIn.tokens;
}

/** Deletes both cookies. */
export function clearSessionCookies(reply: FastifyReply, publicUrl: string): void {
  reply.clearCookie(sessionCookie, cookieOptions(publicUrl));
  reply.clearCookie(signedInMarker, markerOptions(publicUrl));
}

/** Returns the origin of a sign-in, for the list of sessions. */
export function originOf(request: FastifyRequest): SessionOrigin {
  return { ip: request.ip, user_agent: request.headers["user-agent"]?.slice(0, 500) ?? null };
}

/**
 * Returns the actor of the session in a request to a public endpoint, by access token or cookie, or
 * null. A cookie sent from another site's page does not count.
 * @throws AppError 401 for an invalid access token
 */
export async function signedInActor(
  request: FastifyRequest,
  auth: Pick<AuthService, "actorOf">,
  publicUrl: string,
): Promise<Actor | null> {
  const token = /^Bearer (oat_\S+)$/i.exec(request.headers.authorization ?? "")?.[1];
  if (token !== undefined) return auth.actorOf("access", token);
  const cookie = request.cookies[sessionCookie];
  if (!cookie || !isOwnOrigin(request, publicUrl)) return null;
  return auth.actorOf("cookie", cookie).catch(() => null);
}
