import type pg from "pg";
import { appendEvents, type Change, type Origin } from "../audit/audit.js";
import type { Queryable } from "./queryable.js";
import { beginSystem } from "./system-pool.js";
import { inTransaction } from "./transaction.js";

/** Tells of a change of one organization, for its audit log. */
export type AuditWriterOf = (orgId: string, change: Change) => void;

/**
 * Runs a change across organizations in one transaction. The events that `audit` is given go to the logs of
 * their organizations as the last thing in it.
 */
export function systemChange<Result>(
  pool: pg.Pool,
  origin: Origin,
  work: (tx: Queryable, audit: AuditWriterOf) => Promise<Result>,
): Promise<Result> {
  return inTransaction(pool, beginSystem, async (tx, client) => {
    const events = new Map<string, Change[]>();
    const result = await work(tx, (orgId, event) => {
      events.set(orgId, [...(events.get(orgId) ?? []), event]);
    });
    // Always in the same order, so that no two transactions can wait for each other.
    for (const orgId of [...events.keys()].toSorted()) {
      await appendEvents(client, orgId, origin, events.get(orgId) ?? []);
    }
    return result;
  });
}
