import { audit } from "#shared/api/organization/audit.js";
import type { Handlers } from "../../../http/register-routes.js";
import { byNumber, pagesOf } from "../../../http/requests/pagination.js";
import type { EventExports } from "./export-events.js";
import { redactDeleted } from "./redact.js";
import { listEvents } from "./audit.queries.js";

export function auditHandlers(exports: EventExports): Handlers<typeof audit> {
  const pages = pagesOf(audit.list, byNumber);
  return {
    list: (context, { query }) =>
      pages(context, query, {
        read: (after, limit) =>
          context.tx(async (tx) => {
            const before = after?.[0] ?? null;
            const events = await listEvents(tx, context.orgId, query, before, limit);
            return redactDeleted(tx, context.orgId, events);
          }),
        keyOf: ({ sequence }) => [sequence],
      }),
    export: (context, { query }) => exports.open(context, query),
  };
}
