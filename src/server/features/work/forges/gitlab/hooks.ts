import { ProjectHooks } from "@gitbeaker/rest";
import type { ForgeDiscussion } from "../forge-discussion.js";
import { ForgeError } from "../forge.js";
import type { GitlabOptions } from "./client.js";

type HookCalls = Pick<ForgeDiscussion, "registerHook" | "removeHook">;

export function hookCalls(options: GitlabOptions): HookCalls {
  const hooks = new ProjectHooks(options);
  return {
    registerHook: async (repository, { url, secret }) => {
      const all = await hooks.all(repository, { perPage: 100, maxPages: 2 });
      const events = {
        token: secret,
        issuesEvents: true,
        mergeRequestsEvents: true,
        noteEvents: true,
        pipelineEvents: true,
        jobEvents: true,
        pushEvents: true,
        enableSslVerification: true,
      };
      const known = all.find((hook) => hook.url === url);
      const { id } = known
        ? await hooks.edit(repository, known.id, url, events)
        : await hooks.add(repository, url, events);
      return String(id);
    },
    removeHook: async (repository, id) => {
      try {
        await hooks.remove(repository, Number(id));
      } catch (error) {
        if (error instanceof ForgeError && error.failure === "not_found") return;
        throw error;
      }
    },
  };
}
