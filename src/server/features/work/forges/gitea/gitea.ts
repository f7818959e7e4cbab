import type { Forge } from "../forge.js";
import type { ForgeFetch } from "../client/forge-fetch.js";
import type { ReadLog } from "../client/forge-log.js";
import { activityCalls } from "./activity.js";
import { checkCalls } from "./checks.js";
import { giteaClient } from "./client.js";
import { discussionCalls } from "./discussion.js";
import { hookCalls } from "./hooks.js";
import { pullRequestCalls } from "./pull-requests.js";
import { repositoryCalls } from "./repositories.js";
import { reviewCalls } from "./reviews.js";

/** Gitea and Forgejo. */
export function openGitea(
  apiUrl: string,
  token: string,
  fetch: ForgeFetch,
  readLog: ReadLog,
): Forge {
  const api = giteaClient(apiUrl, token, fetch);
  return {
    ...repositoryCalls(api, token),
    ...pullRequestCalls(api),
    ...activityCalls(api),
    ...discussionCalls(api),
    ...reviewCalls(api),
    ...checkCalls(api, { apiUrl, token, readLog }),
    ...hookCalls(api),
  };
}
