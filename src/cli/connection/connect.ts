import { type Client, clientOf } from "#shared/contract/call.js";
import { describedCalls } from "../contract/calls.js";
import { SignedOutError, UsageError } from "../output/failures.js";
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
  /** The name of its context; null for OMOI_TOKEN. */
  context: string | null;
}

export interface Where {
  /** The name of a context instead of the current one. */
  context?: string | undefined;
  /** The slug or id of an organization instead of the context's. */
  org?: string | undefined;
}

/**
 * Opens the connection of a command: by `OMOI_URL` and `OMOI_TOKEN`, as in a run, or by a context of the
 * configuration.
 * @throws SignedOutError; UsageError for a context that does not exist
 */
export function connect({ context: wanted, org }: Where): Connection {
  const { OMOI_URL: url, OMOI_TOKEN: token, OMOI_ORG: organization } = process.env;
  if (wanted === undefined && token) {
    if (!url) throw new UsageError("OMOI_TOKEN is set without OMOI_URL, the server's address.");
    return open(null, addressOf(url), token, org ?? organization ?? null, null);
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
): Connection {
  return { context, url, token, organization, organizationId, api: clientFor({ url, token }) };
}

/** The typed client for a server. */
export function clientFor(target: Target): Client {
  return clientOf(describedCalls(), fetchFrom(target));
}

/** Reads an address as people write it: a name alone means https. @throws UsageError */
export function addressOf(text: string): string {
  const isLocal = /^(localhost|127\.0\.0\.1|\[::1\])(:|\/|$)/.test(text);
  const whole = /^https?:\/\//.test(text) ? text : `${isLocal ? "http" : "https"}://${text}`;
  if (!URL.canParse(whole)) throw new UsageError(`${text} is no address of a server.`);
  // People paste the address of a page.
  return new URL(whole).origin;
}
