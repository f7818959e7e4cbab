import type { agents } from "#shared/api/agents.js";
import { organizationsWith } from "../../http/authorize.js";
import type { Handlers } from "../../http/mount.js";
import { decodeCursor, pageOf } from "../../http/pagination.js";
import type { WorkspaceDeps } from "../workspaces/service.js";
import { deleteAgent } from "./delete-agent.js";
import * as repository from "./repository.js";
import { createAgent, readAgent, updateAgent, withRuns } from "./service.js";

export function agentHandlers(deps: WorkspaceDeps): Handlers<typeof agents> {
  const { db } = deps;
  return {
    list: async ({ actor, request, reply }, { query }) => {
      const orgIds = await organizationsWith(db, actor, "agent:read", query.organization_id);
      const after = query.cursor === undefined ? "" : (decodeCursor(query.cursor, 1)[0] as string);
      const { project_id, status } = query;
      // Of the agents an agent sees itself alone.
      const only = actor.agent?.id;
      const rows = await db.withSystem("list agents", async (tx) => {
        const filter = { project_id, status, after, only };
        return withRuns(tx, await repository.listAgents(tx, orgIds, filter, query.limit + 1));
      });
      return pageOf(rows, query.limit, (last) => [last.id], request, reply);
    },
    create: (context, { body }) => createAgent(context, body),
    get: (context, { params }) => readAgent(context, params.agent_id),
    update: (context, { params, body: { description } }) =>
      updateAgent(context, params.agent_id, description === undefined ? {} : { description }),
    delete: async (context, { params }) => {
      await deleteAgent(deps, context, params.agent_id);
      return undefined;
    },
  };
}
