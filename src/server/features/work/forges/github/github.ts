import { createAppAuth } from "@octokit/auth-app";
import type { Octokit } from "@octokit/core";
import type { Forge } from "../forge.js";
import type { ForgeFetch } from "../client/forge-fetch.js";
import type { ReadLog } from "../client/forge-log.js";
import { Client } from "./call.js";
import { activityCalls } from "./activity.js";
import { checkCalls } from "./checks.js";
import type { GithubCredential } from "./credential.js";
import { discussionCalls } from "./discussion.js";
import { hookCalls } from "./hooks.js";
import { pullRequestCalls } from "./pull-requests.js";
import { repositoryCalls } from "./repositories.js";
import { reviewCalls } from "./reviews.js";

/** A request waits at most so long for a rate limit; longer ones fail, and are tried again later. */
const MAX_WAIT_SECONDS = 3;

/** GitHub and GitHub Enterprise Server. */
export function openGithub(
  id: string,
  apiUrl: string,
  credential: GithubCredential,
  fetch: ForgeFetch,
  readLog: ReadLog,
): Forge {
  const waits = (seconds: number, _options: object, _octokit: Octokit, tried: number): boolean =>
    seconds <= MAX_WAIT_SECONDS && tried === 0;
  const quiet = (): void => {};
  const octokit = new Client({
    baseUrl: apiUrl,
    userAgent: "omoi",
    request: { fetch, retries: 1 },
    log: { debug: quiet, info: quiet, warn: quiet, error: quiet },
    throttle: { id, onRateLimit: waits, onSecondaryRateLimit: waits },
    ...(credential.kind === "token"
      ? { auth: credential.token }
      : {
          authStrategy: createAppAuth,
          auth: {
            appId: credential.app_id,
            privateKey: credential.private_key,
            installationId: Number(credential.installation_id),
          },
        }),
  });
  // A repeated request could have two effects.
  octokit.hook.before("request", (options) => {
    if (options.method !== "GET") options.request = { ...options.request, retries: 0 };
  });
  return {
    ...repositoryCalls(octokit, credential),
    ...pullRequestCalls(octokit),
    ...activityCalls(octokit),
    ...discussionCalls(octokit),
    ...reviewCalls(octokit),
    ...checkCalls(octokit, readLog),
    ...hookCalls(octokit),
  };
}
