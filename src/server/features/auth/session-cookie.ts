import type { FastifyReply, FastifyRequest } from "fastify";
import { sessionCookie } from "../../http/authenticate.js";
import type { SessionOrigin } from "./session-repository.js";
import type { SignedIn } from "./sign-in.js";

/** How our cookies are set: out of reach of scripts and of other sites' forms. */
export function cookieOptions(publicUrl: string) {
  return {
    httpOnly: true,
    sameSite: "lax" as const,
    path: "/",
    secure: publicUrl.startsWith("https:"),
  };
}

/** Sets the session's cookie, and gives the tokens for the answer's body. */
export function answerSignedIn(
  reply: FastifyReply,
  signedIn: SignedIn,
  publicUrl: string,
): SignedIn["tokens"] {
  reply.header("cache-control", "no-store");
  reply.setCookie(sessionCookie, signedIn.cookie, {
    ...cookieOptions(publicUrl),
    maxAge: 365 * 86_400,
  });
  return signedIn.tokens;
}

/** Where a sign-in comes from, for the list of sessions. */
export function originOf(request: FastifyRequest): SessionOrigin {
  return { ip: request.ip, user_agent: request.headers["user-agent"]?.slice(0, 500) ?? null };
}
