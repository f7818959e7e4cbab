import type { Forge } from "../forge.js";
import type { ForgeFetch } from "../client/forge-fetch.js";
import type { ReadLog } from "../client/forge-log.js";
import { activityCalls } from "./activity.js";
import { checkCalls } from "./checks.js";
import { gitlabOptions } from "./client.js";
import { discussionCalls } from "./discussion.js";
import { hookCalls } from "./hooks.js";
import { pullRequestCalls } from "./pull-requests.js";
import { repositoryCalls } from "./repositories.js";
import { reviewCalls } from "./reviews.js";
import { threadCalls } from "./threads.js";

/** GitLab, also self-managed. Its pull requests are called merge requests. */
export function openGitlab(
  apiUrl: string,
  token: string,
  fetch: ForgeFetch,
  readLog: ReadLog,
): Forge {
  const options = gitlabOptions(apiUrl, token, fetch);
  return {
    ...repositoryCalls(options),
    ...pullRequestCalls(options),
    ...activityCalls(options),
    ...discussionCalls(options),
    ...reviewCalls(options),
    ...threadCalls(options),
    ...checkCalls(options, apiUrl, readLog),
    ...hookCalls(options),
  };
}
