import type { audit } from "#shared/api/audit.js";
import type { Handlers } from "../../http/mount.js";
import { decodeNumberCursor, pageOf } from "../../http/pagination.js";
import { listEvents } from "./repository.js";

export function auditHandlers(): Handlers<typeof audit> {
  return {
    list: async ({ tx, orgId, request, reply }, { query }) => {
      const { limit, cursor, ...filter } = query;
      const before = cursor === undefined ? null : decodeNumberCursor(cursor);
      const events = await tx((db) => listEvents(db, orgId, filter, before, limit + 1));
      return pageOf(events, limit, (last) => [String(last.sequence)], request, reply);
    },
  };
}
