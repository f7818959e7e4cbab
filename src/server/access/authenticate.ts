import { AppError, notFound } from "../errors.js";
import { isWithin, normalNetwork } from "#shared/node/networks.js";
import type { RequestHead } from "./request-head.js";
import type { Database } from "../db/connection/connect.js";

/** The author of a request and the credential used. */
export interface Actor {
  /** `isPerson` tells people from the others. */
  readonly kind: "user" | "service_account" | "agent";
  /** The user or the service account; for an agent's key, the user who created it. */
  readonly userId: string;
  /** The acting agent, if any. Its key has the permissions of the agent's role, on that agent only. */
  readonly agent: { readonly id: string; readonly name: string } | null;
  /**
   * The second opinion that the run of the key writes. Its agent is not one of the project: its id is the opinion's,
   * and it reads the change and publishes one review.
   */
  readonly opinion?: ActorOpinion | undefined;
  /** The session of a signed-in user. */
  readonly session: { readonly id: string } | null;
  /** The API key or run token. */
  readonly key: ActorKey | null;
}

/** A second opinion, with what it is about. */
export interface ActorOpinion {
  readonly id: string;
  readonly orgId: string;
  readonly projectId: string;
  readonly taskId: string;
  readonly attemptId: string;
  /** The reviewed commit, and what it is compared with. */
  readonly head: string;
  readonly base: string;
}

/** Whether the caller is a person: neither a service account nor an agent. */
export function isPerson({ kind }: Pick<Actor, "kind">): boolean {
  return kind === "user";
}

export interface ActorKey {
  /** The key's id; for a run's token, the run's id. */
  readonly id: string;
  /** Whether it is a run's token, which ends with the run. */
  readonly ofRun?: boolean;
  /** Scopes with organization ids. */
  readonly scopes: readonly string[];
  /** Ids of organizations that blocked the key. */
  readonly lockedOutOf: readonly string[];
  readonly perMinute: number | null;
  /** Records a granted permission check; null means wherever the key acts. */
  used(orgId: string | null, permission: string): void;
  /** Records an answered request. */
  answered(endpoint: string, status: number): void;
}

export interface Credentials {
  /**
   * Authenticates an access token.
   * @throws AppError 401
   */
  accessToken(token: string): Promise<Actor>;
  /**
   * Authenticates a session cookie.
   * @throws AppError 401
   */
  cookie(value: string): Promise<Actor>;
  /**
   * Authenticates an API key.
   * @throws AppError 401; 403 `ip_not_allowed`
   */
  apiKey(key: string, ip: string): Promise<Actor>;
  /**
   * Counts a request against the key's limit and returns the rate-limit headers.
   * @throws AppError 429
   */
  consumeRateLimit(key: ActorKey): Promise<Record<string, string>>;
  keyPrefix: string;
}

export const sessionCookie = "omoi_session";

/** The error for a missing credential: a challenge without an error code (RFC 6750, section 3.1). */
export function unauthenticated(): AppError {
  return new AppError(
    "unauthenticated",
    "Sign in, or send an access token or an API key as Authorization: Bearer <token>.",
    { headers: { "www-authenticate": "Bearer" } },
  );
}

/** The error for a malformed, unknown, expired or revoked credential, without the distinction. */
export function invalidToken(): AppError {
  return new AppError(
    "invalid_token",
    "The credential is unknown, expired or revoked; get a new one.",
    {
      headers: { "www-authenticate": 'Bearer error="invalid_token"' },
    },
  );
}

/**
 * Authenticates a request by its bearer token, otherwise by the session cookie, which is accepted for
 * writes from this site's pages only.
 * @throws AppError 401; 403 `cross_origin`
 */
export async function authenticate(
  request: RequestHead,
  credentials: Credentials,
  publicUrl: () => string,
): Promise<Actor> {
  const actor = await actorOf(request, credentials, publicUrl);
  request.actorId = actor.agent?.id ?? actor.userId;
  return actor;
}

async function actorOf(
  request: RequestHead,
  credentials: Credentials,
  publicUrl: () => string,
): Promise<Actor> {
  const header = request.headers.authorization;
  if (header !== undefined) {
    const token = /^Bearer ([\x21-\x7e]{1,1024})$/i.exec(header)?.[1];
    if (token === undefined) throw invalidToken();
    return token.startsWith("oat_")
      ? credentials.accessToken(token)
      : credentials.apiKey(token, request.ip);
  }
  const cookie = request.cookies[sessionCookie];
  if (cookie === undefined || cookie === "") throw unauthenticated();
  rejectCrossOrigin(request, publicUrl());
  return credentials.cookie(cookie);
}

/** Prevents CSRF: a write with the session cookie must carry this site's own origin. */
export function rejectCrossOrigin(request: RequestHead, publicUrl: string): void {
  if (isOwnOrigin(request, publicUrl)) return;
  throw new AppError(
    "cross_origin",
    "Requests with the session cookie must come from this site's own pages; use a bearer token elsewhere.",
  );
}

/** Whether a request is read-only or comes from this site's own pages. */
export function isOwnOrigin(request: RequestHead, publicUrl: string): boolean {
  if (request.method === "GET" || request.method === "HEAD") return true;
  const { origin } = request.headers;
  if (origin === new URL(publicUrl).origin) return true;
  if (!isOwnHost(request, publicUrl)) return false;
  return origin === undefined
    ? request.headers["sec-fetch-site"] === "same-origin"
    : [`http://${request.host}`, `https://${request.host}`].includes(origin);
}

/**
 * Whether the requested host is this server's: the public host, a loopback name, or the address of the
 * connection. Other names may belong to an attacker's site (DNS rebinding).
 */
function isOwnHost({ host, socket }: RequestHead, publicUrl: string): boolean {
  if (host === new URL(publicUrl).host) return true;
  if (!URL.canParse(`http://${host}`)) return false;
  const name = new URL(`http://${host}`).hostname.replaceAll(/[[\]]/g, "");
  const address = normalNetwork(name);
  if (address === null) return name === "localhost";
  return (
    isWithin(address, "127.0.0.0/8") ||
    isWithin(address, "::1") ||
    address === normalNetwork(socket.localAddress ?? "")
  );
}

/**
 * Requires a super admin with a session or a key with full access; for others the endpoint does not
 * exist.
 * @throws AppError 404
 */
export async function requireSuperAdmin(db: Database, actor: Actor): Promise<void> {
  const { userId, key } = actor;
  if (!isPerson(actor) || (key !== null && !key.scopes.includes("*:*"))) throw notFound();
  const { rows } = await db.systemPool.query({
    name: "check whether a user is a super admin",
    text: "select from users where id = $1 and is_super_admin and is_active",
    values: [userId],
  });
  if (rows.length === 0) throw notFound();
  key?.used(null, "*:*");
}
