/** Conditions that a request states about the present, compared in the transaction of its change. */
import { AsyncLocalStorage } from "node:async_hooks";
import { sql } from "drizzle-orm";
import type { Queryable } from "./queryable.js";

/** The rows that a transaction sees: those of one organization, or all (null). */
type Scope = string | null;

interface Precondition {
  /** Takes the lock of all changes of its subject, in a transaction across organizations. */
  lock(tx: Queryable): Promise<unknown>;
  /**
   * Reads and compares the present state; null if the request states no condition. Its reads through the database run
   * in the transaction of the change, which holds the lock.
   */
  compare: (() => Promise<void>) | null;
}

interface Pending extends Precondition {
  /** Whether a change was committed after the comparison. */
  isMet: boolean;
}

interface Comparison {
  tx: Queryable;
  scope: Scope;
  /** The last read. Reads follow each other, because each sets its scope. */
  last: Promise<unknown>;
}

const pending = new AsyncLocalStorage<Pending>();
const comparisons = new AsyncLocalStorage<Comparison>();

/** Runs a request whose first change compares the precondition under its lock, before its work. */
export function withPrecondition<Result>(
  precondition: Precondition,
  request: () => Promise<Result>,
): Promise<Result> {
  const state: Pending = { ...precondition, isMet: false };
  return pending.run(state, async () => {
    try {
      return await request();
    } finally {
      // Work that the request has left behind states no condition.
      state.isMet = true;
    }
  });
}

/** Whether the first change of this request has yet to compare a condition. */
export function hasCondition(): boolean {
  const state = pending.getStore();
  return state !== undefined && !state.isMet && state.compare !== null;
}

/**
 * Compares the request's precondition in a transaction that holds the organization's exclusive lock.
 * @throws the error of the comparison
 */
export async function compareLocked(tx: Queryable, orgId: string): Promise<void> {
  const state = pending.getStore();
  if (state && !state.isMet) await compare(state, tx, orgId);
}

/** Like `compareLocked`, after taking the lock, in a transaction across organizations. */
export async function lockAndCompare(tx: Queryable): Promise<void> {
  const state = pending.getStore();
  if (!state || state.isMet) return;
  await state.lock(tx);
  await compare(state, tx, null);
}

/** Records that a change of the request was committed. Its later changes are parts of the same one. */
export function recordChange(): void {
  const state = pending.getStore();
  if (state) state.isMet = true;
}

async function compare({ compare }: Pending, tx: Queryable, scope: Scope): Promise<void> {
  if (compare) await comparisons.run({ tx, scope, last: Promise.resolve() }, compare);
}

/** Whether the caller compares under the lock. It must not wait for other locks, nor use a cached value. */
export function isComparing(): boolean {
  return comparisons.getStore() !== undefined;
}

/**
 * Runs a read of a comparison in the transaction of the change: another connection might not be free, and those that
 * have them all might wait for this transaction's lock. Null outside of a comparison.
 */
export function readInComparison<Result>(
  scope: Scope,
  read: (tx: Queryable) => Promise<Result>,
): Promise<Result> | null {
  const comparison = comparisons.getStore();
  if (!comparison) return null;
  const { tx, scope: own } = comparison;
  const result = comparison.last.then(async () => {
    if (scope === own) return read(tx);
    await setScope(tx, scope);
    const value = await read(tx);
    // After a failure the transaction is rolled back.
    await setScope(tx, own);
    return value;
  });
  comparison.last = result.catch(() => {});
  return result;
}

async function setScope(tx: Queryable, scope: Scope): Promise<void> {
  await tx.execute(sql`select set_config('app.org_id', ${scope ?? ""}, true),
    set_config('app.system', ${scope === null ? "on" : "off"}, true)`);
}
