import { and, asc, desc, eq, gt, gte, lt, lte, type SQL, sql } from "drizzle-orm";
import type { AuditEvent } from "#shared/api/organization/audit.js";
import type { Queryable } from "../../../db/connection/connect.js";
import { auditEvents } from "../../../db/tables/tables.js";

const eventColumns = {
  id: auditEvents.id,
  sequence: auditEvents.sequence,
  at: auditEvents.at,
  actor: auditEvents.actor,
  action: auditEvents.action,
  target: auditEvents.target,
  ip: auditEvents.ip,
  request_id: auditEvents.request_id,
  changes: auditEvents.changes,
  previous_hash: auditEvents.previous_hash,
  hash: auditEvents.hash,
};

export interface EventFilter {
  action?: AuditEvent["action"] | undefined;
  actor_id?: string | undefined;
  target_type?: AuditEvent["target"]["type"] | undefined;
  target_id?: string | undefined;
  /** Inclusive; `until` is exclusive. */
  since?: string | undefined;
  until?: string | undefined;
}

function matching(orgId: string, filter: EventFilter): SQL | undefined {
  const { action, actor_id, target_type, target_id, since, until } = filter;
  return and(
    eq(auditEvents.org_id, orgId),
    action === undefined ? undefined : eq(auditEvents.action, action),
    actor_id === undefined ? undefined : sql`${auditEvents.actor} ->> 'id' = ${actor_id}`,
    target_type === undefined ? undefined : sql`${auditEvents.target} ->> 'type' = ${target_type}`,
    target_id === undefined ? undefined : sql`${auditEvents.target} ->> 'id' = ${target_id}`,
    since === undefined ? undefined : gte(auditEvents.at, since),
    until === undefined ? undefined : lt(auditEvents.at, until),
  );
}

/** Lists an organization's events, newest first, optionally those before a sequence. */
export function listEvents(
  tx: Queryable,
  orgId: string,
  filter: EventFilter,
  before: number | null,
  limit: number,
): Promise<AuditEvent[]> {
  const isBefore = before === null ? undefined : lt(auditEvents.sequence, before);
  return tx
    .select(eventColumns)
    .from(auditEvents)
    .where(and(matching(orgId, filter), isBefore))
    .orderBy(desc(auditEvents.sequence))
    .limit(limit);
}

/** Reads the matching events of a part of a chain, oldest first. Its size bounds the work, whatever the filter. */
export function readPart(
  tx: Queryable,
  orgId: string,
  filter: EventFilter,
  part: { after: number; upTo: number },
): Promise<AuditEvent[]> {
  const isWithin = and(gt(auditEvents.sequence, part.after), lte(auditEvents.sequence, part.upTo));
  return tx
    .select(eventColumns)
    .from(auditEvents)
    .where(and(matching(orgId, filter), isWithin))
    .orderBy(asc(auditEvents.sequence));
}

/** Returns the slug of an organization and the sequence of its last event. */
export async function readHead(
  tx: Queryable,
  orgId: string,
): Promise<{ slug: string; last: number }> {
  const { rows } = await tx.execute<{ slug: string; last: number }>(sql`
    select slug, coalesce((select max(sequence) from audit_events where org_id = ${orgId}), 0)::int as last
    from organizations where id = ${orgId}`);
  return rows[0] ?? { slug: orgId, last: 0 };
}

/** Reads the next events of a chain after a sequence, oldest first, as stored. */
export function readChain(
  tx: Queryable,
  orgId: string,
  after: number,
  limit: number,
): Promise<AuditEvent[]> {
  return tx
    .select(eventColumns)
    .from(auditEvents)
    .where(and(eq(auditEvents.org_id, orgId), sql`${auditEvents.sequence} > ${after}`))
    .orderBy(asc(auditEvents.sequence))
    .limit(limit);
}
