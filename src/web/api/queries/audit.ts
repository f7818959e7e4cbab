import { queryOptions } from "@tanstack/react-query";
import type { AuditEvent } from "#shared/api/audit.js";
import { type AuditAction, auditActionNames } from "#shared/audit.js";
import { client } from "../client.js";
import type { CursorList } from "../cursor-pages.js";
import { organizationsKey } from "./organizations.js";

/** What the audit log is filtered by; days are the viewer's own, the last one included. */
export interface AuditSearch {
  action?: string;
  actor?: string;
  from?: string;
  to?: string;
}

const auditKey = (orgId: string) => [...organizationsKey, orgId, "audit"] as const;

/** The instant at which a day begins where the viewer is, some days later. */
function startOfDay(day: string, later = 0): string {
  const start = new Date(`${day}T00:00`);
  start.setDate(start.getDate() + later);
  return start.toISOString();
}

/** The action of a search; one that an old address names and nobody knows any more filters nothing. */
export function actionOf({ action }: AuditSearch): AuditAction | undefined {
  return auditActionNames.find((name) => name === action);
}

export const eventList = (orgId: string, search: AuditSearch): CursorList<AuditEvent> => ({
  queryKey: [...auditKey(orgId), "pages", search],
  read: (cursor, signal) => {
    const { actor, from, to } = search;
    const query = {
      limit: 50,
      action: actionOf(search),
      actor_id: actor,
      since: from === undefined ? undefined : startOfDay(from),
      until: to === undefined ? undefined : startOfDay(to, 1),
      cursor,
    };
    return client.audit.list({ params: { org_id: orgId }, query }, { signal });
  },
});

export const recentEventsQuery = (orgId: string) =>
  queryOptions({
    queryKey: [...auditKey(orgId), "recent"],
    queryFn: async ({ signal }) =>
      (await client.audit.list({ params: { org_id: orgId }, query: { limit: 10 } }, { signal }))
        .data,
  });
