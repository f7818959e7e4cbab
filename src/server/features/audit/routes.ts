import { audit } from "#shared/api/audit.js";
import type { Handlers } from "../../http/mount.js";
import { byNumber, pagesOf } from "../../http/pagination.js";
import { listEvents } from "./repository.js";

export function auditHandlers(): Handlers<typeof audit> {
  const pages = pagesOf(audit.list, byNumber);
  return {
    list: (context, { query }) =>
      pages(context, query, {
        read: (after, limit) =>
          context.tx((db) => listEvents(db, context.orgId, query, after?.[0] ?? null, limit)),
        keyOf: ({ sequence }) => [sequence],
      }),
  };
}
