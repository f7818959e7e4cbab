import type { ForgeAccess } from "../../code/projects/index.js";
import { AppError } from "../../../errors.js";
import { allows, requirePermission } from "../../../access/access.js";
import { createDefaultAutomations } from "../automations/index.js";
import * as queries from "./forges.queries.js";
import { withForgeErrors, type ForgeDeps } from "./use-forge.js";

/** The part of forges that projects need: addresses of repositories, and logins for git. */
export function createForgeAccess({ clients }: Pick<ForgeDeps, "clients">): ForgeAccess {
  return {
    findRepository: async (context, forgeId, name) => {
      requirePermission(context.access, "org:forges:read");
      const row = await context.tx((tx) => queries.findForgeRow(tx, forgeId));
      if (!row) return null;
      const found = await withForgeErrors(() =>
        clients.use(context.orgId, forgeId, (forge) => forge.repository(name)),
      );
      // The credential is for the forge alone.
      if (
        !URL.canParse(found.clone_url) ||
        new URL(found.clone_url).origin !== new URL(row.url).origin
      ) {
        throw new AppError(
          "forge_refused",
          "The forge names another host for git; connect it by the address that it names.",
        );
      }
      return { name: found.name, web_url: found.url, clone_url: found.clone_url };
    },
    linked: async (tx, audit, context, { id, forge_id }) => {
      await queries.forgetSeen(tx, id);
      if (!allows(context.access, "project:automation:write")) return;
      const forge = await queries.findForge(tx, forge_id);
      const account = forge?.auth === "token" ? forge.account : null;
      await createDefaultAutomations(tx, audit, context, id, account);
    },
    gitLogin: async (orgId, { forge_id, name }) => {
      const login = await withForgeErrors(() =>
        clients.use(orgId, forge_id, (forge) => forge.gitLogin(name)),
      );
      return { kind: "https_token", ...login };
    },
  };
}
