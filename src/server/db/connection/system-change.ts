import type pg from "pg";
import { appendEvents, type Change, type Origin } from "../audit/audit.js";
import type { Queryable } from "../queryable.js";
import { beginSystem } from "./system-pool.js";
import { inTransaction } from "./transaction.js";

/** Queues an audit event for one organization. */
export type AuditWriterOf = (orgId: string, change: Change) => void;

/**
 * Runs a change across organizations in one transaction. Events passed to `audit` are appended to their
 * organizations' logs at its end.
 */
export function systemChange<Result>(
  pool: pg.Pool,
  origin: Origin,
  work: (tx: Queryable, audit: AuditWriterOf) => Promise<Result>,
): Promise<Result> {
  return inTransaction(pool, beginSystem, async (tx, client, _first, last) => {
    const events = new Map<string, Change[]>();
    const result = await work(tx, (orgId, event) => {
      events.set(orgId, [...(events.get(orgId) ?? []), event]);
    });
    // Always in the same order, so that two transactions cannot deadlock.
    for (const orgId of [...events.keys()].toSorted()) {
      await appendEvents(client, orgId, origin, events.get(orgId) ?? [], last);
    }
    return result;
  });
}
