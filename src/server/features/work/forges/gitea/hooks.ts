import type { ForgeDiscussion } from "../forge-discussion.js";
import { ForgeError } from "../forge.js";
import { PAGE, part, readPages, type GiteaClient } from "./client.js";

const EVENTS = [
  "push",
  "create",
  "delete",
  "issues",
  "issue_assign",
  "issue_label",
  "issue_comment",
  "pull_request",
  "pull_request_assign",
  "pull_request_label",
  "pull_request_comment",
  "pull_request_review",
  "pull_request_sync",
  "status",
];
const MAX_HOOKS = 200;

type HookCalls = Pick<ForgeDiscussion, "registerHook" | "removeHook">;

export function hookCalls(api: GiteaClient): HookCalls {
  return {
    registerHook: async (repository, { url, secret }) => {
      const at = part(repository);
      const hooks = await readPages(
        async (page) => (await api.repos.repoListHooks(...at, { page, limit: PAGE })).data,
        MAX_HOOKS,
      );
      const known = hooks.find(({ config }) => config?.["url"] === url);
      const hook = {
        active: true,
        events: EVENTS,
        config: { url, secret, content_type: "json" },
      };
      const { data } =
        known?.id === undefined
          ? await api.repos.repoCreateHook(...at, { type: "gitea", ...hook })
          : await api.repos.repoEditHook(...at, known.id, hook);
      return String(data.id ?? 0);
    },
    removeHook: async (repository, id) => {
      try {
        await api.repos.repoDeleteHook(...part(repository), Number(id));
      } catch (error) {
        if (error instanceof ForgeError && error.failure === "not_found") return;
        throw error;
      }
    },
  };
}
