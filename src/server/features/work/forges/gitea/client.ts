import { giteaApi } from "gitea-js";
import { ForgeError } from "../forge.js";
import { throwingFetch, type ForgeFetch } from "../client/forge-fetch.js";

const API_PATH = "/api/v1";
/** Most installations answer with at most 50 entries of a list. */
export const PAGE = 50;

export type GiteaClient = ReturnType<typeof giteaClient>;

export function giteaClient(apiUrl: string, token: string, fetch: ForgeFetch) {
  const send = throwingFetch(fetch);
  return giteaApi(apiUrl.slice(0, -API_PATH.length), {
    token,
    customFetch: (input, init) => send(input, init),
  });
}

/** Returns the owner and the name of a repository. */
export function part(repository: string): [string, string] {
  const [owner = "", repo = "", ...rest] = repository.split("/");
  if (rest.length > 0) throw new ForgeError("not_found", "A repository is named as in acme/shop.");
  return [owner, repo];
}

/** Reads pages until one is not full. */
export async function readPages<Entry>(
  read: (page: number) => Promise<Entry[]>,
  max: number,
): Promise<Entry[]> {
  const found: Entry[] = [];
  for (let page = 1; found.length < max; page += 1) {
    const entries = await read(page);
    found.push(...entries);
    if (entries.length < PAGE) break;
  }
  return found.slice(0, max);
}
