/** Begins a person's visit to a forge in the browser: to make an App on GitHub, or to link an account. */
import { randomBytes } from "node:crypto";
import type { githubApps } from "#shared/api/work/github-apps.js";
import type { ParsedRequestOf } from "#shared/contract/endpoint.js";
import { AppError } from "../../../../errors.js";
import type { OrgContext } from "../../../../http/requests/request-context.js";
import { checkForgeUrl, readForge, requireRoom, type ConnectionDeps } from "../connections.js";
import * as forges from "../forges.queries.js";
import { apiUrlOf } from "../open-forge.js";
import { requireOwnSession } from "../link-people.js";
import { newId } from "../../../../db/tables/columns.js";
import { encrypt, purposes } from "../../../../encrypt.js";
import { oauthPage } from "../people/oauth.js";
import { insertHandshake, keyOf } from "./handshakes.queries.js";

export interface VisitDeps extends ConnectionDeps {
  publicUrl: () => string;
}

type NewApp = ParsedRequestOf<typeof githubApps.manifest>["body"];

/** GitHub gives an hour to make an App. */
export const APP_MS = 60 * 60_000;
const LINK_MS = 10 * 60_000;

export const callbackOf = (publicUrl: string): string =>
  `${publicUrl}/api/v1/forges/github/callback`;

const newState = (): string => randomBytes(32).toString("base64url");
const inMs = (ms: number): string => new Date(Date.now() + ms).toISOString();

/** Returns what the browser posts to GitHub. @throws AppError 403 `session_required`; 409 `too_many_forges`; 422 */
export async function beginApp(
  deps: VisitDeps,
  context: OrgContext,
  { url: givenUrl = "https://github.com", api_url: givenApiUrl, account }: NewApp,
): Promise<{ url: string; manifest: string; state: string }> {
  const sessionId = requireOwnSession(context);
  const url = checkForgeUrl("url", givenUrl, deps.forgePrivateHosts);
  const apiUrl =
    givenApiUrl === undefined
      ? apiUrlOf("github", url)
      : checkForgeUrl("api_url", givenApiUrl, deps.forgePrivateHosts);
  const state = newState();
  const forgeId = newId();
  const slug = await context.change(async (tx) => {
    await requireRoom(tx);
    await insertHandshake(tx, {
      id: keyOf(state),
      org_id: context.orgId,
      user_id: context.actor.userId,
      session_id: sessionId,
      step: "manifest",
      forge_id: forgeId,
      url,
      api_url: apiUrl,
      expires_at: inMs(APP_MS),
    });
    return forges.readSlug(tx, context.orgId);
  });
  const owner = account === undefined ? "" : `/organizations/${account}`;
  return {
    url: `${url}${owner}/settings/apps/new?state=${state}`,
    manifest: JSON.stringify(manifestOf(deps.publicUrl(), slug, forgeId)),
    state,
  };
}

function manifestOf(publicUrl: string, slug: string, forgeId: string) {
  const callback = callbackOf(publicUrl);
  return {
    // GitHub takes at most 34 characters. The person can change it there.
    name: `Omoi ${slug}`.slice(0, 34),
    url: publicUrl,
    description: "Work of coding agents as pull requests, by Omoi.",
    public: false,
    redirect_url: callback,
    callback_urls: [callback],
    // The return from the installation names the person, so that GitHub can confirm it.
    request_oauth_on_install: true,
    default_permissions: {
      checks: "write",
      contents: "write",
      issues: "write",
      metadata: "read",
      pull_requests: "write",
      statuses: "write",
    },
    ...(isReachable(publicUrl) && {
      hook_attributes: { url: `${publicUrl}/hooks/forges/${forgeId}`, active: true },
      default_events: [
        "check_run",
        "issue_comment",
        "issues",
        "pull_request",
        "pull_request_review",
        "pull_request_review_comment",
        "push",
        "status",
      ],
    }),
  };
}

/** Whether GitHub accepts an address for events: not one of this machine, nor one without encryption. */
function isReachable(publicUrl: string): boolean {
  const { protocol, hostname } = new URL(publicUrl);
  return protocol === "https:" && /\.[a-z][a-z0-9-]*$/i.test(hostname);
}

/** Returns where a person links an account. @throws AppError 403 `session_required`; 404; 409 `forge_without_oauth` */
export async function beginLink(
  { publicUrl, secret }: Pick<VisitDeps, "publicUrl" | "secret">,
  context: OrgContext,
  forgeId: string,
): Promise<{ url: string }> {
  const sessionId = requireOwnSession(context);
  const state = newState();
  return context.change(async (tx) => {
    const { kind, url, api_url } = await readForge(tx, forgeId);
    const row = await forges.findForgeRow(tx, forgeId);
    if (row?.client_id == null) {
      throw new AppError(
        "forge_without_oauth",
        "This connection has no App that was made from the browser, and no OAuth application; link the account by a token.",
      );
    }
    const verifier = kind === "github" ? null : newState();
    await insertHandshake(tx, {
      id: keyOf(state),
      org_id: context.orgId,
      user_id: context.actor.userId,
      session_id: sessionId,
      step: "link",
      forge_id: forgeId,
      url,
      api_url,
      sealed:
        verifier === null
          ? null
          : encrypt(secret, purposes.forgeCredential, forgeId, Buffer.from(verifier)),
      expires_at: inMs(LINK_MS),
    });
    const { client_id } = row;
    return {
      url:
        kind === "github" || verifier === null
          ? consentUrl(url, client_id, state, publicUrl())
          : oauthPage({ kind, url }, client_id, { state, verifier, publicUrl: publicUrl() }),
    };
  });
}

/** Returns the page on which a person allows an App to know who they are. */
export function consentUrl(
  url: string,
  clientId: string,
  state: string,
  publicUrl: string,
): string {
  const query = new URLSearchParams({
    client_id: clientId,
    redirect_uri: callbackOf(publicUrl),
    state,
  });
  return `${url}/login/oauth/authorize?${query.toString()}`;
}
