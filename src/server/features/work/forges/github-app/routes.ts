import type { githubApps } from "#shared/api/work/github-apps.js";
import { Answer } from "../../../../http/answers/answer.js";
import type { Handlers } from "../../../../http/register-routes.js";
import { signedInActor, type AuthService } from "../../../identity/auth/index.js";
import { beginApp, beginLink } from "./begin-visit.js";
import { returnFromGithub, type Return, type ReturnDeps } from "./return-from-github.js";

const names = ["state", "code", "installation_id", "setup_action", "error"] as const;

export function githubAppHandlers(
  deps: ReturnDeps,
  auth: Pick<AuthService, "actorOf">,
): Handlers<typeof githubApps> {
  const comeBack: Handlers<typeof githubApps>["callback"] = async (context, { query }) => {
    const actor = await signedInActor(context.request, auth, deps.publicUrl());
    const given: Return = {};
    for (const name of names) {
      const value = (query as Record<string, unknown>)[name];
      if (typeof value === "string" && value.length <= 2000) given[name] = value;
    }
    const location = await returnFromGithub(deps, context, actor, given);
    return new Answer(undefined, { headers: { "cache-control": "no-store", location } });
  };
  return {
    manifest: (context, { body }) => beginApp(deps, context, body),
    startLink: (context, { params }) => beginLink(deps, context, params.forge_id),
    callback: comeBack,
    oauthCallback: comeBack,
  };
}
