/** The connections of runs with a restricted network. */
import { and, asc, eq, gt, sql } from "drizzle-orm";
import type { RunEgress } from "#shared/api/agents/runs.js";
import type { Queryable } from "../../../db/connection/connect.js";
import { runEgress, runs } from "../../../db/tables/tables.js";
import type { EgressConnection } from "./egress-proxy.js";

/** Listed connections and counts to be added to a run's. */
export interface NewEgress {
  connections: readonly (EgressConnection & { id: string })[];
  allowed: number;
  denied: number;
}

/** Adds to the list and counts of a run; nothing if the run has been deleted. */
export async function insertEgress(
  tx: Queryable,
  { id, org_id }: { id: string; org_id: string },
  { connections, allowed, denied }: NewEgress,
): Promise<void> {
  const counted = await tx
    .update(runs)
    .set({
      egress_allowed: sql`${runs.egress_allowed} + ${allowed}`,
      egress_denied: sql`${runs.egress_denied} + ${denied}`,
    })
    .where(eq(runs.id, id))
    .returning({ id: runs.id });
  if (counted.length === 0 || connections.length === 0) return;
  const rows = connections.map(({ at, bytesSent, bytesReceived, ...connection }) => ({
    ...connection,
    org_id,
    run_id: id,
    at: at.toISOString(),
    bytes_sent: bytesSent,
    bytes_received: bytesReceived,
  }));
  await tx.insert(runEgress).values(rows).onConflictDoNothing();
}

/** Counts the listed connections of a run. */
export function countEgress(tx: Queryable, runId: string): Promise<number> {
  return tx.$count(runEgress, eq(runEgress.run_id, runId));
}

/** Lists a run's connections in the order in which they ended. */
export async function listEgress(
  tx: Queryable,
  runId: string,
  after: string | null,
  limit: number,
): Promise<RunEgress[]> {
  return tx
    .select({
      id: runEgress.id,
      host: runEgress.host,
      port: runEgress.port,
      decision: runEgress.decision,
      reason: runEgress.reason,
      at: runEgress.at,
      bytes_sent: runEgress.bytes_sent,
      bytes_received: runEgress.bytes_received,
    })
    .from(runEgress)
    .where(and(eq(runEgress.run_id, runId), after === null ? undefined : gt(runEgress.id, after)))
    .orderBy(asc(runEgress.id))
    .limit(limit);
}
