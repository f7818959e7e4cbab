import { agents } from "#shared/api/work/agents.js";
import { organizationsWith } from "../../../access/authorize.js";
import type { Handlers } from "../../../http/register-routes.js";
import { byId, pagesOf } from "../../../http/requests/pagination.js";
import type { WorkspaceDeps } from "../../code/workspaces/index.js";
import { clearHome } from "./clear-home.js";
import { terminateAgent } from "./terminate-agent.js";
import * as queries from "./agents.queries.js";
import { createAgent, readAgent, updateAgent, attachRuns } from "./agents.js";

export function agentHandlers(deps: WorkspaceDeps): Handlers<typeof agents> {
  const { db } = deps;
  const pages = pagesOf(agents.list, byId);
  return {
    list: async (context, { query }) => {
      const { actor } = context;
      const orgIds = await organizationsWith(db, actor, "agent:read", query.organization_id);
      const { project_id, status } = query;
      // An agent sees only itself.
      const only = actor.agent?.id;
      return pages(context, query, {
        read: (after, limit) =>
          db.withSystem("list agents", async (tx) => {
            const filter = { project_id, status, after: after?.[0] ?? null, only };
            return attachRuns(tx, await queries.listAgents(tx, orgIds, filter, limit));
          }),
        keyOf: ({ id }) => [id],
      });
    },
    create: (context, { body }) => createAgent(context, body),
    get: (context, { params }) => readAgent(context, params.agent_id),
    update: (context, { params, body }) => updateAgent(context, params.agent_id, body),
    delete: async (context, { params }) => {
      await terminateAgent(deps, context, params.agent_id);
      return undefined;
    },
    clearHome: async (context, { params }) => {
      await clearHome(deps, context, params.agent_id);
      return undefined;
    },
  };
}
