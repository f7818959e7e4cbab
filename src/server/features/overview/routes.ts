import { z } from "zod";
import { instant } from "#shared/contract/fields.js";
import { itemKey, overview } from "#shared/api/organizations/overview.js";
import type { Database } from "../../db/connection/connect.js";
import { byId, fromMemory, pagesOf } from "../../http/requests/pagination.js";
import type { Handlers } from "../../http/register-routes.js";
import { dismissItem, undismissItem } from "./dismiss-item.js";
import { listAttention } from "./list-attention.js";
import { listAgentWork, type WorkDeps } from "./list-work.js";
import { readResults } from "./read-results.js";

export function overviewHandlers(deps: WorkDeps & { db: Database }): Handlers<typeof overview> {
  const { db } = deps;
  const itemPages = pagesOf(overview.attention, z.tuple([instant, itemKey]));
  const workPages = pagesOf(overview.work, byId);
  return {
    attention: async (context, { query }) =>
      itemPages(context, query, {
        read: fromMemory(
          await listAttention(db, context),
          (item, [at, key]) => item.at < at || (item.at === at && item.key > key),
        ),
        keyOf: ({ at, key }) => [at, key],
      }),
    dismiss: async (context, { params }) => {
      await dismissItem(db, context, params.item_key);
      return undefined;
    },
    undismiss: async (context, { params }) => {
      await undismissItem(context, params.item_key);
      return undefined;
    },
    work: (context, { query }) =>
      workPages(context, query, {
        read: (after, limit) => {
          const filter = {
            projectId: query.project_id ?? null,
            isRunning: query.running ?? null,
            after: after?.[0] ?? null,
          };
          return listAgentWork(deps, context, filter, limit);
        },
        keyOf: ({ agent_id }) => [agent_id],
      }),
    results: (context, { query }) => readResults(deps, context, query.since),
  };
}
