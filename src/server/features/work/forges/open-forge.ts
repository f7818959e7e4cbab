import { readFileSync } from "node:fs";
import type { ForgeKind } from "#shared/api/work/forges.js";
import { createForgeFetch, type FetchRules, type ForgeFetch } from "./client/forge-fetch.js";
import { createLogReader } from "./client/forge-log.js";
import type { Forge } from "./forge.js";
import type { GithubCredential } from "./github/credential.js";

export type ForgeCredential = GithubCredential;

export interface ForgePlace {
  /** Of the connection. */
  id: string;
  kind: ForgeKind;
  api_url: string;
}

/** Opens forges, each with the client of its kind, which is loaded with the first connection of the kind. */
export interface ForgeOpener {
  open(place: ForgePlace, credential: ForgeCredential): Promise<Forge>;
  /** Returns a `fetch` for one origin, such as that of a forge's pages. */
  fetchFrom(address: string): ForgeFetch;
}

export function createForgeOpener(rules: {
  forgePrivateHosts: boolean;
  importCaFile: string | null;
}): ForgeOpener {
  const fetchRules: FetchRules = {
    allowsPrivate: rules.forgePrivateHosts,
    ca: rules.importCaFile === null ? null : readFileSync(rules.importCaFile),
  };
  return {
    fetchFrom: (address) => createForgeFetch(address, fetchRules),
    open: async ({ id, kind, api_url: apiUrl }, credential) => {
      const fetch = createForgeFetch(apiUrl, fetchRules);
      const readLog = createLogReader(apiUrl, fetchRules);
      if (kind === "github") {
        const { openGithub } = await import("./github/github.js");
        return openGithub(id, apiUrl, credential, fetch, readLog);
      }
      if (credential.kind !== "token") throw new Error("only GitHub has Apps");
      if (kind === "gitlab") {
        const { openGitlab } = await import("./gitlab/gitlab.js");
        return openGitlab(apiUrl, credential.token, fetch, readLog);
      }
      const { openGitea } = await import("./gitea/gitea.js");
      return openGitea(apiUrl, credential.token, fetch, readLog);
    },
  };
}

/** Returns the usual address of a forge's API. */
export function apiUrlOf(kind: ForgeKind, url: string): string {
  const base = url.replace(/\/+$/, "");
  if (kind === "gitlab") return `${base}/api/v4`;
  if (kind === "gitea") return `${base}/api/v1`;
  return new URL(url).host === "github.com" ? "https://api.github.com" : `${base}/api/v3`;
}

/** The end of the API's address that the clients of GitLab and Gitea add themselves. */
export const API_PATHS: Partial<Record<ForgeKind, string>> = {
  gitlab: "/api/v4",
  gitea: "/api/v1",
};
