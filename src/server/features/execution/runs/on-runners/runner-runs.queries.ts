/** Runs that a runner executes: the row alone says who holds a run, and until when. */
import { and, eq, gt, isNotNull, isNull, or, sql } from "drizzle-orm";
import type { Run } from "#shared/api/execution/runs.js";
import type { Exit } from "#execution/outcome.js";
import { RUNNER_LEASE_SECONDS, type Heartbeats } from "#shared/execution/runner/protocol.js";
import { isHomeOfAgent } from "../../../../cluster/home-of.js";
import type { Queryable } from "../../../../db/connection/connect.js";
import { runners } from "../../../../db/tables/node-tables.js";
import { agents, runs } from "../../../../db/tables/tables.js";
import type { AgentRun } from "../managed-runs.queries.js";
import { leaseOf, statementTime } from "../runs.queries.js";

const lease = leaseOf(RUNNER_LEASE_SECONDS);

/** A run that is or was offered to a runner, or that it executes. */
export interface RunnerRun extends AgentRun {
  /** The project of its agent. */
  project: string;
  status: Run["status"];
  origin: (typeof runs.$inferSelect)["origin"];
  /** Whether a Job of the cluster executes it. */
  in_cluster: boolean;
  /** Until its first heartbeat. */
  sealed_env: Buffer | null;
  /** Whether the runner may start it. */
  is_offered: boolean;
  /** Whether it has started, and the runner has not sent a heartbeat. */
  is_unheard: boolean;
  /** When the runner has ended it itself. */
  exited_at: string | null;
  /** Whether the runner ended it within the time of a lease, and may read what the next run of the agent needs. */
  has_just_ended: boolean;
}

/** Returns a run of a runner. Requires a system transaction. */
export async function findRunOfRunner(
  tx: Queryable,
  runnerId: string,
  id: string,
): Promise<RunnerRun | undefined> {
  const [row] = await tx
    .select({
      id: runs.id,
      kind: runs.kind,
      org_id: runs.org_id,
      agent_id: runs.agent_id,
      project_id: runs.project_id,
      project: agents.project_id,
      command: runs.command,
      preset: runs.preset,
      network: runs.network,
      allowed_hosts: runs.allowed_hosts,
      timeout_seconds: runs.timeout_seconds,
      limits: runs.limits,
      status: runs.status,
      origin: runs.origin,
      in_cluster: runs.in_cluster,
      sealed_env: runs.sealed_env,
      is_offered: sql<boolean>`${runs.status} = 'queued' and ${runs.offered_until} > now()`,
      is_unheard: sql<boolean>`${runs.status} = 'running' and ${runs.last_heartbeat_at} = ${runs.started_at}`,
      exited_at: runs.exited_at,
      has_just_ended: sql<boolean>`${runs.exited_at} is not null and ${runs.ended_at} > now() - make_interval(secs => ${RUNNER_LEASE_SECONDS})`,
    })
    .from(runs)
    .innerJoin(agents, eq(agents.id, runs.agent_id))
    .where(and(eq(runs.id, id), eq(runs.runner_id, runnerId)));
  return row as RunnerRun | undefined;
}

/** Whether a registered runner may take runs of an organization. */
export async function hasRunner(tx: Queryable, orgId: string): Promise<boolean> {
  const rows = await tx
    .select({ id: runners.id })
    .from(runners)
    .where(and(eq(runners.kind, "machine"), or(isNull(runners.org_id), eq(runners.org_id, orgId))))
    .limit(1);
  return rows.length > 0;
}

interface Start {
  runnerId: string;
  tokenHash: Buffer;
  limits: AgentRun["limits"];
  /** The head of the workspace's branch. */
  head: string;
}

/**
 * Starts a run that is offered to the runner. Returns the seconds it waited, or null if it is not offered to it any
 * more.
 * @throws unique violation of `runs_one_per_agent`
 */
export async function startOffered(
  tx: Queryable,
  id: string,
  { runnerId, tokenHash, limits, head }: Start,
): Promise<number | null> {
  const [claimed] = await tx
    .update(runs)
    .set({
      status: "running",
      started_at: statementTime,
      last_heartbeat_at: statementTime,
      lease_expires_at: lease,
      token_hash: tokenHash,
      offered_until: null,
      limits,
      detail: null,
      repository_tip: head,
    })
    .where(
      and(
        eq(runs.id, id),
        eq(runs.runner_id, runnerId),
        eq(runs.status, "queued"),
        gt(runs.offered_until, sql`now()`),
      ),
    )
    .returning({ seconds: sql<number>`extract(epoch from now() - ${runs.created_at})::float8` });
  return claimed ? claimed.seconds : null;
}

/**
 * Replaces the token of a run whose start the runner repeats. Returns false if it has sent a heartbeat, or the run
 * has ended.
 */
export async function restartUnheard(
  tx: Queryable,
  id: string,
  { runnerId, tokenHash, head }: Omit<Start, "limits">,
): Promise<boolean> {
  const restarted = await tx
    .update(runs)
    .set({ token_hash: tokenHash, lease_expires_at: lease, repository_tip: head })
    .where(
      and(
        eq(runs.id, id),
        eq(runs.runner_id, runnerId),
        eq(runs.status, "running"),
        eq(runs.last_heartbeat_at, runs.started_at),
      ),
    )
    .returning({ id: runs.id });
  return restarted.length === 1;
}

/** Returns a run to the queue that the runner could not start. */
export async function releaseOffer(tx: Queryable, id: string, runnerId: string): Promise<void> {
  await tx
    .update(runs)
    .set({ runner_id: null, offered_until: null })
    .where(and(eq(runs.id, id), eq(runs.runner_id, runnerId), eq(runs.status, "queued")));
}

/** The requested ending of a run that goes on, if any. */
export interface RunnerReply extends Record<string, unknown> {
  id: string;
  stop_status: Run["status"] | null;
  stop_detail: string | null;
}

/**
 * Extends the leases of a runner's runs; those that it does not hold are missing in the result. Requires a system
 * transaction.
 */
export async function recordRunnerHeartbeats(
  db: Queryable,
  runnerId: string,
  sent: Heartbeats["runs"],
): Promise<RunnerReply[]> {
  const { rows } = await db.execute<RunnerReply>(sql`
    update runs set lease_expires_at = ${lease}, output_bytes = sent.bytes,
      output_truncated = sent.truncated, sealed_env = null,
      -- later than the start in the column's milliseconds
      last_heartbeat_at = greatest(now(), runs.started_at + interval '1 ms')
    from unnest(${sql.param(sent.map(({ run_id }) => run_id))}::uuid[],
      ${sql.param(sent.map(({ output_bytes }) => output_bytes))}::bigint[],
      ${sql.param(sent.map(({ output_truncated }) => output_truncated))}::boolean[])
      as sent (id, bytes, truncated)
    where runs.id = sent.id and runs.runner_id = ${runnerId} and runs.status = 'running'
    returning runs.id, runs.stop_status, runs.stop_detail`);
  return rows;
}

/** Extends the leases of the runs of a node that runners execute. Requires a system transaction. */
export async function extendAllLeases(db: Queryable, nodeId: string): Promise<void> {
  await db
    .update(runs)
    .set({ lease_expires_at: sql`greatest(${runs.lease_expires_at}, ${lease})` })
    .where(
      and(
        eq(runs.status, "running"),
        isNotNull(runs.runner_labels),
        isHomeOfAgent(nodeId, runs.agent_id),
      ),
    );
}

/** The times of a run that a runner has ended. */
export interface EndedOnRunner {
  created_at: string;
  started_at: string | null;
  exited_at: string | null;
}

/**
 * Ends a run as its runner reports. Returns its times, or undefined if it has ended before.
 * @param repositoryError why the run had no repository; null keeps what is recorded
 */
export async function endOnRunner(
  tx: Queryable,
  id: string,
  runnerId: string,
  exit: Exit,
  repositoryError: string | null,
): Promise<EndedOnRunner | undefined> {
  const [ended] = await tx
    .update(runs)
    .set({
      ...exit,
      status: exit.outcome,
      exited_at: sql`now()`,
      ended_at: sql`now()`,
      token_hash: null,
      lease_expires_at: null,
      sealed_env: null,
      ...(repositoryError !== null && { repository_error: repositoryError }),
    })
    .where(
      and(
        eq(runs.id, id),
        eq(runs.runner_id, runnerId),
        eq(runs.status, "running"),
        isNull(runs.exited_at),
      ),
    )
    .returning({
      created_at: runs.created_at,
      started_at: runs.started_at,
      exited_at: runs.exited_at,
    });
  return ended;
}

/** Counts a report of connections once. Returns false if it or a later one was counted before. */
export async function countEgressBatch(
  tx: Queryable,
  id: string,
  runnerId: string,
  batch: number,
): Promise<boolean> {
  const counted = await tx
    .update(runs)
    .set({ egress_batch: batch })
    .where(
      and(
        eq(runs.id, id),
        eq(runs.runner_id, runnerId),
        eq(runs.status, "running"),
        sql`${runs.egress_batch} < ${batch}`,
      ),
    )
    .returning({ id: runs.id });
  return counted.length === 1;
}
