/** The connections of runs with a restricted network. */
import { and, asc, eq, gt, sql } from "drizzle-orm";
import type { RunEgress } from "#shared/api/execution/runs.js";
import type { Queryable } from "../../../../db/connection/connect.js";
import { agents, runEgress, runs } from "../../../../db/tables/tables.js";
import { MAX_LISTED, type NewEgress } from "#execution/proxy/egress-recorder.js";

/** A run of the cluster that has its way out through the proxy. */
export interface ProxiedRun {
  project_id: string;
  allowed_hosts: string[] | null;
}

/** Returns a run that is a Job of the cluster with a restricted network, while it is running. */
export async function findProxiedRun(tx: Queryable, id: string): Promise<ProxiedRun | undefined> {
  const [run] = await tx
    .select({ project_id: agents.project_id, allowed_hosts: runs.allowed_hosts })
    .from(runs)
    .innerJoin(agents, eq(agents.id, runs.agent_id))
    .where(
      and(
        eq(runs.id, id),
        eq(runs.status, "running"),
        eq(runs.network, "restricted"),
        runs.in_cluster,
      ),
    );
  return run;
}

/** Adds to the list, up to its limit, and counts of a run; nothing if the run has been deleted. */
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
  // The updated row is locked, so no other process adds to the list.
  const free = MAX_LISTED - (await tx.$count(runEgress, eq(runEgress.run_id, id)));
  if (free <= 0) return;
  const rows = connections
    .slice(0, free)
    .map(({ at, bytesSent, bytesReceived, ...connection }) => ({
      ...connection,
      org_id,
      run_id: id,
      at: at.toISOString(),
      bytes_sent: bytesSent,
      bytes_received: bytesReceived,
    }));
  await tx.insert(runEgress).values(rows).onConflictDoNothing();
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
