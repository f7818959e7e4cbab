import { queryOptions } from "@tanstack/react-query";
import type { AuditEvent } from "#shared/api/organization/audit.js";
import { type AuditAction, auditActionNames } from "#shared/organization/audit.js";
import { urlOf } from "#shared/contract/call.js";
import { api } from "../../api-calls.js";
import { client } from "../../client.js";
import type { CursorList } from "../../cursor-pages.js";
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

/** Returns the filters as the API names them. */
function filterOf(search: AuditSearch) {
  const { actor, from, to } = search;
  return {
    action: actionOf(search),
    actor_id: actor,
    since: from === undefined ? undefined : startOfDay(from),
    until: to === undefined ? undefined : startOfDay(to, 1),
  };
}

export const eventList = (orgId: string, search: AuditSearch): CursorList<AuditEvent> => ({
  queryKey: [...auditKey(orgId), "pages", search],
  read: (cursor, signal) => {
    const query = { limit: 50, ...filterOf(search), cursor };
    return client.audit.list({ params: { org_id: orgId }, query }, { signal });
  },
});

/** The address of the events that match the filters, as a file. */
export const exportUrl = (orgId: string, search: AuditSearch): string =>
  urlOf(api.audit.export, { params: { org_id: orgId }, query: filterOf(search) });

export const recentEventsQuery = (orgId: string) =>
  queryOptions({
    queryKey: [...auditKey(orgId), "recent"],
    queryFn: async ({ signal }) =>
      (await client.audit.list({ params: { org_id: orgId }, query: { limit: 10 } }, { signal }))
        .data,
  });
