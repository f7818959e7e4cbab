import { and, eq, getTableColumns, isNull, sql } from "drizzle-orm";
import type { Queryable } from "../db/connection/connect.js";
import type { NodeEpoch } from "../db/connection/tenant.js";
import { nodes } from "../db/tables/node-tables.js";
import { projects } from "../db/tables/tables.js";

export type NodeRow = typeof nodes.$inferSelect;

/** Duration of a lease in seconds. */
export const LEASE_SECONDS = 15;

const leaseEnd = sql`clock_timestamp() + make_interval(secs => ${LEASE_SECONDS})`;

/** Serializes registrations until the transaction ends. */
export async function lockNodes(tx: Queryable): Promise<void> {
  await tx.execute(sql`select pg_advisory_xact_lock(hashtext('omoi nodes'))`);
}

/** A node, with whether its lease is valid by the clock of the database. */
export type RegisteredNode = NodeRow & { is_leased: boolean };

const columns = {
  ...getTableColumns(nodes),
  is_leased: sql<boolean>`coalesce(${nodes.lease_until} > clock_timestamp(), false)`,
};

export async function listNodes(tx: Queryable): Promise<RegisteredNode[]> {
  return tx.select(columns).from(nodes).orderBy(nodes.name);
}

/** A start of a node's server. */
type NodeStart = Pick<NodeRow, "id" | "name" | "url"> &
  Record<"place" | "host" | "folder" | "version", string>;

/** Adds a node, or changes one to its next start. */
export async function saveStart(
  tx: Queryable,
  start: NodeStart,
  isNextEpoch: boolean,
): Promise<number> {
  const { id, ...values } = start;
  const lease = { lease_until: leaseEnd, started_at: sql`clock_timestamp()` };
  const [row] = await tx
    .insert(nodes)
    .values({ ...start, ...lease })
    .onConflictDoUpdate({
      target: nodes.id,
      set: { ...values, ...lease, epoch: sql`${nodes.epoch} + ${isNextEpoch ? 1 : 0}` },
    })
    .returning({ epoch: nodes.epoch });
  if (!row) throw new Error("an upsert returns a row");
  return row.epoch;
}

/** Waits for the transactions of a node's current epoch, and holds off others until this one ends. */
export async function lockEpoch(tx: Queryable, id: string): Promise<void> {
  await tx.execute(sql`select pg_advisory_xact_lock(hashtextextended('node ' || ${id}::text, 0))`);
}

/** The state that a node reports with its lease. */
export interface NodeState {
  disk_total_bytes: number;
  disk_free_bytes: number;
  load: number;
  processors: number;
  runs_commands: boolean;
}

/** Extends the lease. @returns false when the node is in another epoch */
export async function renewLease(
  tx: Queryable,
  { id, epoch }: { id: string; epoch: number },
  state: NodeState,
): Promise<boolean> {
  const renewed = await tx
    .update(nodes)
    .set({ lease_until: leaseEnd, ...state })
    .where(and(eq(nodes.id, id), eq(nodes.epoch, epoch)))
    .returning({ id: nodes.id });
  return renewed.length > 0;
}

/** Fails the transaction unless the node is in its epoch, which does not change until the transaction ends. */
export async function requireEpoch(tx: Queryable, { id, epoch }: NodeEpoch): Promise<void> {
  await tx.execute(sql`select require_node_epoch(${id}::uuid, ${epoch}::bigint)`);
}

/** Whether a node has projects whose files were not removed. */
export async function hasProjects(tx: Queryable, id: string): Promise<boolean> {
  const rows = await tx
    .select({ id: projects.id })
    .from(projects)
    .where(and(eq(projects.home_node, id), isNull(projects.removed_at)))
    .limit(1);
  return rows.length > 0;
}
