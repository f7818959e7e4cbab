import { type Client, clientOf, type FetchLike } from "#shared/contract/call.js";
import { pages } from "#shared/pages.js";
import { describedCalls } from "../contract/calls.js";
import { NotFoundError, SignedOutError, UsageError } from "../output/failures.js";
import { readConfig } from "./config.js";
import { fetchFrom, type Target } from "./http.js";

/** A connection to an installation with the credential of a context. */
export interface Connection extends Target {
  api: Client;
  token: string;
  /** The slug or id of the organization in use; null for none. */
  organization: string | null;
  /** Its id, where it is known. */
  organizationId: string | null;
  /** The slug or id of the project whose tasks numbers name; null for any. */
  project: string | null;
  /** The name of its context; null for OMOI_TOKEN. */
  context: string | null;
}

export interface Where {
  /** The name of a context instead of the current one. */
  context?: string | undefined;
  /** The slug or id of an organization instead of the context's. */
  org?: string | undefined;
  /** The project whose tasks numbers name. */
  project?: string | undefined;
}

/**
 * Opens the connection of a command: by `OMOI_URL` and `OMOI_TOKEN`, as in a run, or by a context of the
 * configuration. A context replaces neither an empty token nor the server that `OMOI_URL` names, unless the
 * command names the context.
 * @throws SignedOutError; UsageError for a context that does not exist, or variables that are incomplete
 */
export function connect(where: Where): Connection {
  return { ...connectionOf(where), project: where.project ?? null };
}

function connectionOf({ context: wanted, org }: Where): Omit<Connection, "project"> {
  const { OMOI_URL: url, OMOI_TOKEN: given, OMOI_ORG: organization } = process.env;
  const token = given?.trim();
  if (wanted === undefined && token) {
    if (!url) throw new UsageError("OMOI_TOKEN is set without OMOI_URL, the server's address.");
    return open(null, addressOf(url), token, org ?? organization ?? null, null);
  }
  if (wanted === undefined && token === "" && (url || given !== "")) {
    throw new UsageError(
      "OMOI_TOKEN is empty. Set it to an API key, or unset OMOI_URL and OMOI_TOKEN to use your sign-in.",
    );
  }
  const { current, contexts } = readConfig();
  const name = wanted ?? current;
  const found = name === null ? undefined : contexts[name];
  if (wanted !== undefined && !found) {
    throw new UsageError(`There is no context ${wanted}; omoi context list shows all.`);
  }
  if (!found) {
    throw new SignedOutError(
      "You are not signed in. Run omoi login URL, or set OMOI_URL and OMOI_TOKEN.",
    );
  }
  if (wanted === undefined && url && addressOf(url) !== found.url) {
    throw new UsageError(
      `OMOI_URL is ${addressOf(url)}, but you are signed in to ${found.url}. Set OMOI_TOKEN, or choose a sign-in with --context.`,
    );
  }
  const chosen = org ?? organization;
  return chosen === undefined || chosen === found.organization
    ? open(name, found.url, found.token, found.organization, found.organization_id)
    : open(name, found.url, found.token, chosen, null);
}

function open(
  context: string | null,
  url: string,
  token: string,
  organization: string | null,
  organizationId: string | null,
): Omit<Connection, "project"> {
  return { context, url, token, organization, organizationId, api: clientFor({ url, token }) };
}

/** The typed client for a server. Its calls throw NotFoundError for an organization that does not exist. */
export function clientFor(target: Target): Client {
  return clientOf(describedCalls(), namingOrganizations(fetchFrom(target)));
}

/** The server's 404 does not tell an unknown organization from an unknown member of it. */
function namingOrganizations(fetchLike: FetchLike): FetchLike {
  return async (path, init) => {
    const response = await fetchLike(path, init);
    const [own, segment] = /^\/api\/v1\/organizations\/([^/?]+)/.exec(path) ?? [];
    if (response.status !== 404 || own === undefined || segment === undefined) return response;
    const isMissing =
      own === path || (await fetchLike(own, { method: "GET", headers: {} })).status === 404;
    if (!isMissing) return response;
    throw new NotFoundError(
      `There is no organization ${decodeURIComponent(segment)}, or you are not its member; omoi org list shows yours.`,
    );
  };
}

/** First segments of the server's own addresses: people paste the address of a page. */
const ownSegments = new Set(["api", ...Object.values(pages).map(({ path }) => path.split("/")[1])]);

/** Reads an address as people write it: a name alone means https. @throws UsageError */
export function addressOf(text: string): string {
  const isLocal = /^(localhost|127\.0\.0\.1|\[::1\])(:|\/|$)/.test(text);
  const whole = /^https?:\/\//.test(text) ? text : `${isLocal ? "http" : "https"}://${text}`;
  if (!URL.canParse(whole)) throw new UsageError(`${text} is no address of a server.`);
  const { origin, pathname } = new URL(whole);
  const [, segment = ""] = pathname.split("/");
  if (segment !== "" && !ownSegments.has(segment)) {
    throw new UsageError(
      `${text} has the path ${pathname}, but Omoi serves at the root of a host, its pages and git too. Give it a host name of its own, such as ${origin}.`,
    );
  }
  return origin;
}
