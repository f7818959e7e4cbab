/** OAuth of GitLab, Gitea and Forgejo (RFC 6749, RFC 7636), by which a person proves whose account they have. */
import { createHash } from "node:crypto";
import { z } from "zod";
import type { ForgeKind } from "#shared/api/work/forges.js";
import { ForgeError } from "../forge.js";
import { throwingFetch } from "../client/forge-fetch.js";
import type { OauthClient } from "../github/credential.js";
import type { ForgeOpener } from "../open-forge.js";

type OauthKind = Exclude<ForgeKind, "github">;

interface OauthForge {
  kind: OauthKind;
  url: string;
  api_url: string;
}

/** Where a forge sends the browser back to. */
export const oauthCallbackOf = (publicUrl: string): string =>
  `${publicUrl}/api/v1/forges/oauth/callback`;

const paths = {
  gitlab: { consent: "/oauth/authorize", token: "/oauth/token", scope: "read_user" },
  gitea: {
    consent: "/login/oauth/authorize",
    token: "/login/oauth/access_token",
    scope: "read:user",
  },
} as const;

/** Returns the page on which a person allows the application to know who they are. */
export function oauthPage(
  { kind, url }: Pick<OauthForge, "kind" | "url">,
  clientId: string,
  { state, verifier, publicUrl }: { state: string; verifier: string; publicUrl: string },
): string {
  const { consent, scope } = paths[kind];
  const query = new URLSearchParams({
    client_id: clientId,
    redirect_uri: oauthCallbackOf(publicUrl),
    response_type: "code",
    scope,
    state,
    code_challenge: createHash("sha256").update(verifier).digest("base64url"),
    code_challenge_method: "S256",
  });
  return `${url}${consent}?${query.toString()}`;
}

/** Exchanges the code of a consent, and asks once whose it is. The token is not stored. @throws ForgeError */
export async function loginByCode(
  opener: Pick<ForgeOpener, "fetchFrom">,
  { kind, url, api_url: apiUrl }: OauthForge,
  client: OauthClient,
  { code, verifier, publicUrl }: { code: string; verifier: string; publicUrl: string },
): Promise<string> {
  const exchange = throwingFetch(opener.fetchFrom(url));
  const granted = await exchange(`${url}${paths[kind].token}`, {
    method: "POST",
    headers: { accept: "application/json", "content-type": "application/json" },
    body: JSON.stringify({
      ...client,
      code,
      grant_type: "authorization_code",
      redirect_uri: oauthCallbackOf(publicUrl),
      code_verifier: verifier,
    }),
  });
  const grant = z.object({ access_token: z.string().min(1) }).safeParse(await granted.json());
  if (!grant.success) throw new ForgeError("refused", "The forge does not accept the code.");
  const ask = throwingFetch(opener.fetchFrom(apiUrl));
  const answer = await ask(`${apiUrl}/user`, {
    headers: { accept: "application/json", authorization: `Bearer ${grant.data.access_token}` },
  });
  const user = z
    .object({ username: z.string().optional(), login: z.string().optional() })
    .safeParse(await answer.json());
  const login = kind === "gitlab" ? user.data?.username : user.data?.login;
  if (!login) throw new ForgeError("refused", "The forge does not say whose account it is.");
  return login;
}
