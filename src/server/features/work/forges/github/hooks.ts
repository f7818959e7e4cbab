import type { ForgeDiscussion } from "../forge-discussion.js";
import { ForgeError } from "../forge.js";
import { call, part, readPages, type GithubClient } from "./call.js";

const EVENTS = [
  "issues",
  "issue_comment",
  "pull_request",
  "pull_request_review",
  "pull_request_review_comment",
  "pull_request_review_thread",
  "check_run",
  "status",
  "push",
];
/** GitHub allows 20 hooks for each event. */
const MAX_HOOKS = 200;

type HookCalls = Pick<ForgeDiscussion, "registerHook" | "removeHook">;

export function hookCalls(octokit: GithubClient): HookCalls {
  return {
    registerHook: (repository, { url, secret }) =>
      call(async () => {
        const at = part(repository);
        const pages = octokit.paginate.iterator("GET /repos/{owner}/{repo}/hooks", {
          ...at,
          per_page: 100,
        });
        const known = (await readPages(pages, MAX_HOOKS)).find(({ config }) => config.url === url);
        const hook = {
          active: true,
          events: EVENTS,
          config: { url, secret, content_type: "json", insecure_ssl: "0" },
        };
        const { data } = known
          ? await octokit.request("PATCH /repos/{owner}/{repo}/hooks/{hook_id}", {
              ...at,
              hook_id: known.id,
              ...hook,
            })
          : await octokit.request("POST /repos/{owner}/{repo}/hooks", { ...at, ...hook });
        return String(data.id);
      }),
    removeHook: async (repository, id) => {
      try {
        await call(() =>
          octokit.request("DELETE /repos/{owner}/{repo}/hooks/{hook_id}", {
            ...part(repository),
            hook_id: Number(id),
          }),
        );
      } catch (error) {
        if (error instanceof ForgeError && error.failure === "not_found") return;
        throw error;
      }
    },
  };
}
