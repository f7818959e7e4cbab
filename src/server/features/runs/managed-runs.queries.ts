import { and, eq, sql } from "drizzle-orm";
import type { Run } from "#shared/api/runs.js";
import type { Queryable } from "../../db/connection/connect.js";
import { runs } from "../../db/tables/tables.js";
import { matching, queueOf, type startedBy, type Which } from "./runs.queries.js";

/** A server that does not say so for this long is dead, and its runs are lost. */
export const serverLeaseSeconds = 15;
const serverLease = sql<string>`now() + make_interval(secs => ${serverLeaseSeconds})`;

/** What a managed run is, and whose. */
export interface ManagedRun {
  id: string;
  org_id: string;
  agent_id: string;
  command: string[];
  network: "none" | "full";
  timeout_seconds: number;
  limits: NonNullable<Run["limits"]>;
}

type Asked = Pick<typeof runs.$inferInsert, "origin" | "env_names"> & {
  started_by: ReturnType<typeof startedBy>;
};

/** What a run holds that is under way here: the process, and the HMAC of its token. */
interface Held {
  server_id: string;
  token_hash: Buffer;
}

const started = ({ server_id, token_hash }: Held) => ({
  status: "running" as const,
  started_at: sql<string>`now()`,
  last_heartbeat_at: sql<string>`now()`,
  lease_expires_at: serverLease,
  server_id,
  token_hash,
});

/** @throws a unique violation of `runs_one_per_agent` */
export async function insertStarted(
  tx: Queryable,
  run: ManagedRun & Asked,
  held: Held,
): Promise<void> {
  await tx.insert(runs).values({ ...run, kind: "managed", ...started(held) });
}

export async function insertQueued(
  tx: Queryable,
  run: ManagedRun & Asked & { sealed_env: Buffer; detail: string },
): Promise<void> {
  await tx.insert(runs).values({ ...run, kind: "managed", status: "queued", started_at: null });
}

/** How many runs of an organization wait. */
export async function countQueued(tx: Queryable, orgId: string): Promise<number> {
  const rows = await tx
    .select({ id: runs.id })
    .from(runs)
    .where(and(eq(runs.org_id, orgId), eq(runs.status, "queued")));
  return rows.length;
}

export interface QueuedRun extends ManagedRun {
  origin: (typeof runs.$inferSelect)["origin"];
  sealed_env: Buffer | null;
}

/** The run that is next: the first in the queue whose agent is idle. */
export async function nextQueued(tx: Queryable, orgId: string): Promise<QueuedRun | undefined> {
  const { rows } = await tx.execute<{ id: string }>(sql`
    select queue.id from (${queueOf(`'${orgId}'::uuid`)}) queue
    where not exists (select from runs r where r.agent_id = queue.agent_id and r.status = 'running')
    order by queue.position limit 1`);
  if (!rows[0]) return undefined;
  const [row] = await tx
    .select({
      id: runs.id,
      org_id: runs.org_id,
      agent_id: runs.agent_id,
      command: runs.command,
      network: runs.network,
      timeout_seconds: runs.timeout_seconds,
      limits: runs.limits,
      origin: runs.origin,
      sealed_env: runs.sealed_env,
    })
    .from(runs)
    .where(and(eq(runs.id, rows[0].id), eq(runs.status, "queued")));
  return row as QueuedRun | undefined;
}

/**
 * Starts a queued run, within the limits of today. Returns how many seconds it waited; null where it does
 * not wait any more.
 * @throws a unique violation of `runs_one_per_agent`
 */
export async function startQueued(
  tx: Queryable,
  { id, limits, network }: Pick<ManagedRun, "id" | "limits" | "network">,
  held: Held,
): Promise<number | null> {
  const [claimed] = await tx
    .update(runs)
    .set({ ...started(held), limits, network, sealed_env: null, detail: null })
    .where(and(eq(runs.id, id), eq(runs.status, "queued")))
    .returning({ seconds: sql<number>`extract(epoch from now() - ${runs.created_at})::float8` });
  return claimed ? claimed.seconds : null;
}

/** Ends runs that wait: of one run, of one agent, of a project's agents, or all. */
export async function endQueued(
  tx: Queryable,
  which: Which,
  status: Run["status"],
  detail: string,
): Promise<number> {
  const ended = await tx
    .update(runs)
    .set({ status, detail, ended_at: sql`now()`, sealed_env: null })
    .where(and(matching(which), eq(runs.status, "queued")))
    .returning({ id: runs.id });
  return ended.length;
}

/** Asks that managed runs end; the first asking stands. Whoever runs them hears of it. */
export async function askToStop(
  tx: Queryable,
  which: Which,
  status: Run["status"],
  detail: string,
): Promise<void> {
  await tx
    .update(runs)
    .set({ stop_status: status, stop_detail: detail })
    .where(
      and(
        matching(which),
        eq(runs.kind, "managed"),
        eq(runs.status, "running"),
        sql`${runs.stop_status} is null`,
      ),
    );
}

/** What a server says of a run that it has under way. */
export interface Beat {
  id: string;
  bytes: number;
  truncated: boolean;
}

/** What a server is told of it in return: how it is to end, where somebody has asked. */
export interface BeatAnswer extends Record<string, unknown> {
  id: string;
  stop_status: Run["status"] | null;
  stop_detail: string | null;
}

/** Says that runs are alive; of those that have ended elsewhere nothing comes back. Needs system work. */
export async function beat(db: Queryable, beats: readonly Beat[]): Promise<BeatAnswer[]> {
  const { rows } = await db.execute<BeatAnswer>(sql`
    update runs set last_heartbeat_at = now(), lease_expires_at = ${serverLease},
      output_bytes = said.bytes, output_truncated = said.truncated
    from unnest(${sql.param(beats.map(({ id }) => id))}::uuid[],
      ${sql.param(beats.map(({ bytes }) => bytes))}::bigint[],
      ${sql.param(beats.map(({ truncated }) => truncated))}::boolean[]) as said (id, bytes, truncated)
    where runs.id = said.id and runs.status = 'running'
    returning runs.id, runs.stop_status, runs.stop_detail`);
  return rows;
}

/** How a command ended. */
export interface Exit {
  outcome: Run["status"];
  exit_code: number | null;
  detail: string;
  peak_memory_bytes: number | null;
  cpu_seconds: number | null;
  output_bytes: number;
  output_truncated: boolean;
}

/** Notes how a command ended; its token is dead from now on. False where the run has ended elsewhere. */
export async function recordExit(tx: Queryable, id: string, exit: Exit): Promise<boolean> {
  const noted = await tx
    .update(runs)
    .set({ ...exit, exited_at: sql`now()`, token_hash: null })
    .where(and(eq(runs.id, id), eq(runs.status, "running")))
    .returning({ id: runs.id });
  return noted.length === 1;
}

/** Ends a run as its command did, at the moment that it did. */
export async function endExited(tx: Queryable, id: string): Promise<void> {
  await tx
    .update(runs)
    .set({ status: sql`outcome`, ended_at: sql`exited_at`, lease_expires_at: null })
    .where(and(eq(runs.id, id), eq(runs.status, "running")));
}

export async function recordCheckpoint(
  tx: Queryable,
  id: string,
  checkpoint: { checkpoint_sha: string | null; checkpoint_error: string | null },
): Promise<void> {
  await tx
    .update(runs)
    .set({ ...checkpoint, checkpointed: true })
    .where(eq(runs.id, id));
}

/** Organizations in whose queue somebody waits. Needs system work. */
export async function listQueuedOrganizations(db: Queryable): Promise<string[]> {
  const { rows } = await db.execute<{ org_id: string }>(
    sql`select distinct org_id from runs where status = 'queued'`,
  );
  return rows.map((row) => row.org_id);
}
