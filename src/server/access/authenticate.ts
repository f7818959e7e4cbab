import { AppError } from "../errors.js";
import { isWithin, normalNetwork } from "#shared/node/networks.js";
import type { RequestHead } from "./request-head.js";

/** Who makes a request, and through which credential. */
export interface Actor {
  /** The person; of an agent's key, who made it. */
  readonly userId: string;
  /** The agent, where one acts: its key has what its own role gives, and touches no other agent. */
  readonly agent: { readonly id: string; readonly name: string } | null;
  /** The session, where signed in by one. */
  readonly session: { readonly id: string } | null;
  /** The API key, where it is one. */
  readonly key: ActorKey | null;
}

export interface ActorKey {
  /** The key's id; of a run's token that of the run. */
  readonly id: string;
  /** Whether it is a run's token, which is no API key and dies with the run. */
  readonly ofRun?: boolean;
  /** They name organizations by id. */
  readonly scopes: readonly string[];
  /** Organizations that shut it out. */
  readonly shutOutOf: readonly string[];
  readonly perMinute: number | null;
  /** Counts that a permission was needed and there; without an organization: wherever the key acts. */
  used(orgId: string | null, permission: string): void;
  /** Counts a request that was answered. */
  answered(endpoint: string, status: number): void;
}

export interface Credentials {
  /** The actor behind an access token. @throws AppError 401 */
  accessToken(token: string): Promise<Actor>;
  /** The actor behind a session cookie. @throws AppError 401 */
  cookie(value: string): Promise<Actor>;
  /** The actor behind an API key. @throws AppError 401; 403 `ip_not_allowed` */
  apiKey(key: string, ip: string): Promise<Actor>;
  /** Counts a request against the key's limit; gives the headers that tell of it. @throws AppError 429 */
  consumeRateLimit(key: ActorKey): Promise<Record<string, string>>;
  keyPrefix: string;
}

export const sessionCookie = "omoi_session";

/** No credential: the plain challenge (RFC 6750, section 3.1: no error code where none was sent). */
export function unauthenticated(): AppError {
  return new AppError(
    "unauthenticated",
    "Sign in, or send an access token or an API key as Authorization: Bearer <token>.",
    { headers: { "www-authenticate": "Bearer" } },
  );
}

/** A credential that is malformed, unknown, expired or revoked; the answer does not say which. */
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
 * Who makes the request: by bearer token, else by the session cookie, whose writes must come from our
 * own pages.
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
  refuseCrossOrigin(request, publicUrl());
  return credentials.cookie(cookie);
}

/** A cookie travels with other sites' requests too: what changes state must name our own origin. */
export function refuseCrossOrigin(request: RequestHead, publicUrl: string): void {
  if (isOwnOrigin(request, publicUrl)) return;
  throw new AppError(
    "cross_origin",
    "A request with the session cookie must come from this site's own pages; use a bearer token elsewhere.",
  );
}

/** Whether a request reads only, or comes from this site's own pages. */
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
 * Whether the host that a request names is this server's: that of the public address, a loopback name,
 * or the address that the connection came in on. Any other name may be another site's, which it points
 * here to have its pages taken for ours (DNS rebinding).
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
