/** The calls to GitHub that make an App and ask who a person is there. */
import { z } from "zod";
import { ForgeError } from "../forge.js";
import { throwingFetch } from "../client/forge-fetch.js";
import type { ForgeOpener } from "../open-forge.js";

/** An App that GitHub has made from a manifest. */
export interface MadeApp {
  app_id: string;
  private_key: string;
  client_id: string;
  client_secret: string;
  webhook_secret: string | undefined;
  /** Page of the App on GitHub. */
  page: string;
}

const made = z.object({
  id: z.int(),
  pem: z.string(),
  client_id: z.string(),
  client_secret: z.string(),
  webhook_secret: z.string().nullish(),
  html_url: z.string(),
});

type Opener = Pick<ForgeOpener, "fetchFrom">;

/** Exchanges the code of a manifest, which GitHub accepts once. @throws ForgeError */
export async function convertManifest(
  opener: Opener,
  apiUrl: string,
  code: string,
): Promise<MadeApp> {
  const fetch = throwingFetch(opener.fetchFrom(apiUrl));
  const answer = await fetch(`${apiUrl}/app-manifests/${encodeURIComponent(code)}/conversions`, {
    method: "POST",
    headers: { accept: "application/vnd.github+json", "user-agent": "omoi" },
  });
  const app = made.safeParse(await answer.json());
  if (!app.success) throw new ForgeError("refused", "GitHub's answer does not describe an App.");
  const { id, pem, html_url, webhook_secret, ...client } = app.data;
  return {
    app_id: String(id),
    private_key: pem,
    webhook_secret: webhook_secret ?? undefined,
    page: html_url,
    ...client,
  };
}

/** Exchanges the code of a person's consent for a token of the person. @throws ForgeError */
export async function exchangeCode(
  opener: Opener,
  url: string,
  client: { client_id: string; client_secret: string },
  code: string,
): Promise<string> {
  const fetch = throwingFetch(opener.fetchFrom(url));
  const answer = await fetch(`${url}/login/oauth/access_token`, {
    method: "POST",
    headers: {
      accept: "application/json",
      "content-type": "application/json",
      "user-agent": "omoi",
    },
    body: JSON.stringify({ ...client, code }),
  });
  const { access_token: token } = z
    .object({ access_token: z.string().optional() })
    .parse(await answer.json());
  if (token === undefined) throw new ForgeError("refused", "GitHub does not accept the code.");
  return token;
}

const PAGE = 100;
const MAX_PAGES = 10;

/** Whether the person of a token may see an installation of the App that the token is for. @throws ForgeError */
export async function seesInstallation(
  opener: Opener,
  apiUrl: string,
  token: string,
  installationId: string,
): Promise<boolean> {
  const fetch = throwingFetch(opener.fetchFrom(apiUrl));
  for (let page = 1; page <= MAX_PAGES; page += 1) {
    const answer = await fetch(`${apiUrl}/user/installations?per_page=${PAGE}&page=${page}`, {
      headers: {
        accept: "application/vnd.github+json",
        authorization: `Bearer ${token}`,
        "user-agent": "omoi",
      },
    });
    const { installations } = z
      .object({ installations: z.array(z.object({ id: z.int() })) })
      .parse(await answer.json());
    if (installations.some(({ id }) => String(id) === installationId)) return true;
    if (installations.length < PAGE) return false;
  }
  return false;
}
