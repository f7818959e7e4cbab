import { z } from "zod";
import { instant } from "#shared/contract/fields.js";
import { itemKey, overview } from "#shared/api/work/overview.js";
import type { Database } from "../../../db/connection/connect.js";
import { byId, fromMemory, pagesOf } from "../../../http/requests/pagination.js";
import type { Handlers } from "../../../http/register-routes.js";
import { dismissItem, undismissItem } from "./dismiss-item.js";
import { listAttention, withChanges } from "./list-attention.js";
import { listAgentWork, type WorkDeps } from "./list-work.js";
import { readResults } from "./read-results.js";

export function overviewHandlers(deps: WorkDeps & { db: Database }): Handlers<typeof overview> {
  const { db } = deps;
  const itemPages = pagesOf(overview.attention, z.tuple([z.int(), instant, itemKey]));
  const workPages = pagesOf(overview.work, byId);
  return {
    attention: async (context, { query }) => {
      const items = fromMemory(
        await listAttention(db, context),
        (item, [urgency, at, key]: [number, string, string]) =>
          item.urgency > urgency ||
          (item.urgency === urgency && (item.at < at || (item.at === at && item.key > key))),
      );
      return itemPages(context, query, {
        read: async (after, limit) => withChanges(deps, context, await items(after, limit)),
        keyOf: ({ urgency, at, key }) => [urgency, at, key],
      });
    },
    dismiss: async (context, { params, body }) => {
      await dismissItem(db, context, params.item_key, body?.until ?? null);
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
