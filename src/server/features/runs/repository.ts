import { and, desc, eq, isNull, sql } from "drizzle-orm";
import type { Run } from "#shared/api/runs.js";
import { newId } from "../../db/columns.js";
import type { Queryable } from "../../db/connect.js";
import { runs } from "../../db/tables.js";

const runColumns = {
  id: runs.id,
  agent_id: runs.agent_id,
  kind: runs.kind,
  status: sql<Run["status"]>`${runs.status}`,
  exit_code: runs.exit_code,
  started_at: runs.started_at,
  ended_at: runs.ended_at,
  runtime_seconds: sql<number>`greatest(round(extract(epoch from coalesce(${runs.ended_at}, now()) - ${runs.started_at}), 4), 0)::float8`,
  lease_expires_at: runs.lease_expires_at,
};

const leaseSeconds = 60;
const lease = sql<string>`now() + make_interval(secs => ${leaseSeconds})`;

export async function findRun(tx: Queryable, id: string): Promise<Run | undefined> {
  const [row] = await tx.select(runColumns).from(runs).where(eq(runs.id, id));
  return row;
}

export async function listRuns(
  tx: Queryable,
  agentId: string,
  after: string,
  limit: number,
): Promise<Run[]> {
  return tx
    .select(runColumns)
    .from(runs)
    .where(and(eq(runs.agent_id, agentId), after === "" ? undefined : sql`${runs.id} < ${after}`))
    .orderBy(desc(runs.id))
    .limit(limit);
}

/** @throws a unique violation of `runs_one_per_agent` */
export async function insertLeasedRun(
  tx: Queryable,
  orgId: string,
  agentId: string,
): Promise<string> {
  const id = newId();
  await tx.insert(runs).values({
    id,
    org_id: orgId,
    agent_id: agentId,
    kind: "leased",
    status: "running",
    last_heartbeat_at: sql`now()`,
    lease_expires_at: lease,
  });
  return id;
}

export async function agentIsTerminated(
  tx: Queryable,
  agentId: string,
): Promise<boolean | undefined> {
  const { rows } = await tx.execute<{ terminated: boolean }>(
    sql`select terminated_at is not null as terminated from agents where id = ${agentId}`,
  );
  return rows[0]?.terminated;
}

/** Extends the lease of a run that goes on; false where it has ended. */
export async function extendLease(tx: Queryable, id: string): Promise<boolean> {
  const extended = await tx
    .update(runs)
    .set({ last_heartbeat_at: sql`now()`, lease_expires_at: lease })
    .where(and(eq(runs.id, id), isNull(runs.ended_at), sql`${runs.lease_expires_at} > now()`))
    .returning({ id: runs.id });
  return extended.length === 1;
}

/** Ends a run that goes on; false where it has ended already. */
export async function endRun(tx: Queryable, id: string, status: Run["status"]): Promise<boolean> {
  const ended = await tx
    .update(runs)
    .set({ status, ended_at: sql`now()`, lease_expires_at: null })
    .where(and(eq(runs.id, id), isNull(runs.ended_at)))
    .returning({ id: runs.id });
  return ended.length === 1;
}

/** Ends the runs whose lease is over: they are lost and count to their last heartbeat. Needs system work. */
export async function endLostRuns(db: Queryable): Promise<number> {
  const ended = await db
    .update(runs)
    .set({ status: "lost", ended_at: sql`${runs.last_heartbeat_at}`, lease_expires_at: null })
    .where(and(isNull(runs.ended_at), sql`${runs.lease_expires_at} < now()`))
    .returning({ id: runs.id });
  return ended.length;
}

/** Organizations whose running runs have used up the month's hours. Needs system work. */
export async function listOrganizationsWithLeases(db: Queryable): Promise<string[]> {
  const { rows } = await db.execute<{ org_id: string }>(
    sql`select distinct org_id from runs where ended_at is null`,
  );
  return rows.map((row) => row.org_id);
}

export async function listRunning(tx: Queryable): Promise<string[]> {
  const rows = await tx.select({ id: runs.id }).from(runs).where(isNull(runs.ended_at));
  return rows.map((row) => row.id);
}
