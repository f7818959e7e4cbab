import { forgeDeliveries, type ForgeDelivery } from "#shared/api/work/forge-deliveries.js";
import { notFound } from "../../../../errors.js";
import { byId, pagesOf } from "../../../../http/requests/pagination.js";
import type { Handlers } from "../../../../http/register-routes.js";
import { readForge } from "../connections.js";
import * as queries from "./deliveries.queries.js";

export function forgeDeliveryHandlers(): Handlers<typeof forgeDeliveries> {
  const pages = pagesOf(forgeDeliveries.list, byId);
  return {
    list: async (context, { params, query }) => {
      const { forge_id: forgeId } = params;
      await context.tx((tx) => readForge(tx, forgeId));
      return pages(context, query, {
        read: (before, limit) =>
          context.tx((tx) =>
            queries.listDeliveries(tx, forgeId, query, before?.[0] ?? null, limit),
          ),
        keyOf: ({ id }: ForgeDelivery) => [id],
      });
    },
    replay: (context, { params }) =>
      context.change(async (tx, audit) => {
        const { forge_id: forgeId, delivery_id: id } = params;
        const forge = await readForge(tx, forgeId);
        const known = await queries.findDelivery(tx, forgeId, id);
        if (!known) throw notFound();
        // Without a project, nothing is to be read.
        if (known.status !== "pending" && known.project_id !== null) {
          await queries.reopenDelivery(tx, id);
          audit({
            action: "forge.delivery_replayed",
            target: { type: "forge", id: forgeId, name: forge.name },
            changes: { delivery_id: { from: null, to: known.delivery_id } },
          });
        }
        const found = await queries.findDelivery(tx, forgeId, id);
        if (!found) throw notFound();
        return found;
      }),
  };
}
