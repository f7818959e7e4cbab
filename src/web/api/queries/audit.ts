import { queryOptions } from "@tanstack/react-query";
import type { AuditEvent } from "#shared/api/organizations/audit.js";
import { type AuditAction, auditActionNames } from "#shared/audit.js";
import { client } from "../client.js";
import type { CursorList } from "../cursor-pages.js";
import { organizationsKey } from "./organizations.js";

/** Filters of the audit log. Days are in the viewer's time zone; the last day is included. */
export interface AuditSearch {
  action?: string;
  actor?: string;
  from?: string;
  to?: string;
}

const auditKey = (orgId: string) => [...organizationsKey, orgId, "audit"] as const;

/** Returns the start of a day in the viewer's time zone, plus `later` days. */
function startOfDay(day: string, later = 0): string {
  const start = new Date(`${day}T00:00`);
  start.setDate(start.getDate() + later);
  return start.toISOString();
}

/** Returns the action filter; undefined if the address names an unknown action. */
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
