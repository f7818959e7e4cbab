import type { FastifyReply, FastifyRequest } from "fastify";
import { signedInMarker } from "#shared/signed-in-marker.js";
import { isOwnOrigin, sessionCookie, type Actor } from "../../../access/authenticate.js";
import type { AuthService } from "../auth-service.js";
import type { SessionOrigin } from "./sessions.queries.js";
import type { SignedIn } from "../sign-in.js";

/** How our cookies are set: out of reach of scripts and of other sites' forms. */
export function cookieOptions(publicUrl: string) {
  return {
    httpOnly: true,
    sameSite: "lax" as const,
    path: "/",
    secure: publicUrl.startsWith("https:"),
  };
}

/**
 * Beside the session's cookie one that scripts may read and that opens nothing: it tells the pages
 * whether to ask who is signed in. Who never was is not asked, so no 401 stands in the console.
 */
function markerOptions(publicUrl: string) {
  return { ...cookieOptions(publicUrl), httpOnly: false };
}

/** Sets the session's cookie, and gives the tokens for the answer's body. */
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

/** Takes both cookies back. */
export function clearSessionCookies(reply: FastifyReply, publicUrl: string): void {
  reply.clearCookie(sessionCookie, cookieOptions(publicUrl));
  reply.clearCookie(signedInMarker, markerOptions(publicUrl));
}

/** Where a sign-in comes from, for the list of sessions. */
export function originOf(request: FastifyRequest): SessionOrigin {
  return { ip: request.ip, user_agent: request.headers["user-agent"]?.slice(0, 500) ?? null };
}

/**
 * The actor of the session that a request to a public endpoint carries, by access token or cookie; null
 * without one. A cookie that comes from another site's page does not count.
 * @throws AppError 401 for an access token that does not work
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
