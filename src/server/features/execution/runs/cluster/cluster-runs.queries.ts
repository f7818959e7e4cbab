/** Runs of the cluster, and its row among the runners. Everything requires a system transaction. */
import { sql, type SQL } from "drizzle-orm";
import type { RunLimits } from "#shared/api/execution/runs.js";
import { newId } from "../../../../db/tables/columns.js";
import type { Queryable } from "../../../../db/connection/connect.js";
import { offerRuns } from "../runner-protocol/runner-calls.queries.js";

const NAME = "kubernetes";

/** Returns the label of the installation's objects. */
export async function readInstallationLabel(tx: Queryable): Promise<string> {
  const { rows } = await tx.execute<{ label: string }>(sql`select label from installation`);
  return rows[0]?.label ?? "";
}

/** The cluster among the runners. */
export interface ClusterRow extends Record<string, unknown> {
  id: string;
  paused: boolean;
}

interface Description {
  networks: readonly string[];
  slots: number;
  version: string;
  host: string;
}

/** Registers the cluster, or updates its description. A name that an administrator gave it is kept. */
export async function registerCluster(
  tx: Queryable,
  { networks, slots, version, host }: Description,
): Promise<ClusterRow> {
  const list = sql`${sql.param([...networks])}::text[]`;
  const { rows } = await tx.execute<ClusterRow>(sql`
    insert into runners (id, name, kind, networks, slots, version, host)
    select ${newId()}::uuid, case when exists (select from runners where lower(name) = ${NAME})
        then ${NAME} || '-' || substr(gen_random_uuid()::text, 1, 8) else ${NAME} end,
      'cluster', ${list}, ${slots}::integer, ${version}, ${host}
    where not exists (select from runners where kind = 'cluster')
    on conflict (kind) where kind = 'cluster' do nothing
    returning id, paused`);
  if (rows[0]) return rows[0];
  await tx.execute(sql`
    update runners set networks = ${list}, slots = ${slots}::integer, version = ${version}, host = ${host}
    where kind = 'cluster' and (networks, slots, version, host) is distinct from
      (${list}, ${slots}::integer, ${version}, ${host})`);
  const { rows: known } = await tx.execute<ClusterRow>(
    sql`select id, paused from runners where kind = 'cluster'`,
  );
  // Removed between the statements: the next pass registers it.
  return known[0] ?? { id: newId(), paused: true };
}

/**
 * Records that the cluster was reached, and for how many seconds it waits for runs.
 * @param seconds null if it takes none now
 */
export async function recordReached(
  tx: Queryable,
  id: string,
  seconds: number | null,
): Promise<void> {
  await tx.execute(sql`
    update runners set last_seen_at = clock_timestamp(),
      waiting_until = clock_timestamp() + make_interval(secs => ${seconds}::double precision)
    where id = ${id}`);
}

/** Records that the cluster was not reached. Others of a queue no longer wait for its runs. */
export async function recordUnreached(tx: Queryable): Promise<void> {
  await tx.execute(sql`
    update runners set waiting_until = null where kind = 'cluster' and waiting_until is not null`);
}

/** A run that the cluster has, or whose Job is to be removed. */
export interface RunOfCluster extends Record<string, unknown> {
  id: string;
  org_id: string;
  agent_id: string;
  project_id: string;
  status: string;
  network: "none" | "restricted" | "full";
  timeout_seconds: number;
  limits: RunLimits;
  detail: string | null;
  /** The image of its project; null for the default. */
  image: string | null;
  /** Whether it is claimed and waits for its start, or runs. */
  needs_job: boolean;
  /** Whether its time to start has passed. */
  is_late: boolean;
  /** Whether a token of its Job is valid. */
  has_token: boolean;
}

/** Lists the runs that need a Job, and those that had one. */
export async function listRunsOfCluster(
  tx: Queryable,
  clusterId: string,
  limit: number,
): Promise<RunOfCluster[]> {
  const needs = sql`r.in_cluster and r.status in ('queued', 'running') and r.runner_id = ${clusterId}`;
  const { rows } = await tx.execute<RunOfCluster>(sql`
    select r.id, r.org_id, r.agent_id, a.project_id, r.status, r.network,
      r.timeout_seconds, r.limits, r.detail, p.kubernetes ->> 'image' as image,
      (${needs}) as needs_job,
      r.status = 'queued' and r.offered_until is not null and r.offered_until <= now() as is_late,
      r.job_token_hash is not null as has_token
    from (
      (select r.id from runs r where ${needs})
      union
      (select r.id from runs r where r.job_token_hash is not null order by r.id limit ${limit})
    ) wanted join runs r on r.id = wanted.id
    join agents a on a.id = r.agent_id join projects p on p.id = a.project_id
    order by r.id`);
  return rows;
}

/**
 * Claims queued runs for the cluster, with their limits.
 * @param minutes in which they must start
 * @param limits of runs whose project has none of its own
 * @returns the number of claimed runs
 */
export async function claimRuns(
  tx: Queryable,
  clusterId: string,
  free: number,
  minutes: number,
  limits: RunLimits,
): Promise<number> {
  const ids = await offerRuns(tx, clusterId, free);
  if (ids.length === 0) return 0;
  const bytes = (field: string) => sql`(p.kubernetes ->> ${field}::text)::bigint * 1048576`;
  await tx.execute(sql`
    update runs set offered_until = now() + make_interval(mins => ${minutes}::integer),
      detail = 'The cluster is starting it.',
      limits = ${JSON.stringify(limits)}::jsonb || jsonb_strip_nulls(jsonb_build_object(
        'cpus', p.kubernetes -> 'cpus', 'memory_bytes', ${bytes("memory_mib")},
        'disk_bytes', ${bytes("disk_mib")}))
    from agents a join projects p on p.id = a.project_id
    where a.id = runs.agent_id and runs.id = any(${sql.param(ids)}::uuid[])`);
  return ids.length;
}

/** Stores the token of a run's Job. Returns false if the run does not wait for it any more. */
export async function storeJobToken(
  tx: Queryable,
  clusterId: string,
  id: string,
  hash: Buffer,
): Promise<boolean> {
  const { rows } = await tx.execute(sql`
    update runs set job_token_hash = ${hash}
    where id = ${id} and status = 'queued' and runner_id = ${clusterId} and offered_until > now()
    returning id`);
  return rows.length === 1;
}

/** Forgets the tokens of runs whose Jobs are gone. */
export async function forgetJobTokens(
  tx: Queryable,
  clusterId: string,
  ids: readonly string[],
): Promise<void> {
  if (ids.length === 0) return;
  await tx.execute(sql`
    update runs set job_token_hash = null where id = any(${sql.param([...ids])}::uuid[])
      and not (status = 'running' or (status = 'queued' and runner_id is not distinct from ${clusterId}))`);
}

/** Returns a claimed run without a Job to the queue. */
export async function releaseClaim(tx: Queryable, clusterId: string, id: string): Promise<void> {
  await tx.execute(sql`
    update runs set runner_id = null, offered_until = null
    where id = ${id} and status = 'queued' and runner_id = ${clusterId} and job_token_hash is null`);
}

/** Gives the cluster more time to start a claimed run. */
export async function extendClaim(
  tx: Queryable,
  clusterId: string,
  id: string,
  minutes: number,
): Promise<void> {
  await tx.execute(sql`
    update runs set offered_until = now() + make_interval(mins => ${minutes}::integer)
    where id = ${id} and status = 'queued' and runner_id = ${clusterId}`);
}

export async function recordDetail(tx: Queryable, id: string, detail: string): Promise<void> {
  await tx.execute(sql`
    update runs set detail = ${detail}
    where id = ${id} and status = 'queued' and detail is distinct from ${detail}`);
}

/** Ends a run whose pod is gone, counted to its last heartbeat. */
export async function endWithoutPod(tx: Queryable, id: string, detail: string): Promise<void> {
  await tx.execute(sql`
    update runs set status = coalesce(outcome, 'lost'),
      ended_at = coalesce(exited_at, last_heartbeat_at, started_at), lease_expires_at = null,
      token_hash = null, sealed_env = null,
      detail = case when outcome is null then ${detail} else detail end
    where id = ${id} and status = 'running'`);
}

/**
 * Explains to the queued runs without a Job why they wait.
 * @param problem of the cluster; null if it works
 */
export async function explainQueue(
  tx: Queryable,
  {
    problem,
    networks,
    isPaused,
    isFull,
  }: { problem: string | null; networks: readonly string[]; isPaused: boolean; isFull: boolean },
): Promise<void> {
  const general =
    problem ??
    (isPaused
      ? "Waiting for the cluster, which is paused."
      : isFull
        ? "Waiting for another run in the cluster to end."
        : "Waiting for the cluster.");
  // With a problem, no Job of a claimed run is created either.
  const waits = (run: SQL): SQL =>
    problem === null
      ? sql`${run}.runner_id is null`
      : sql`(${run}.runner_id is null or ${run}.job_token_hash is null)`;
  await tx.execute(sql`
    update runs set detail = wait.detail
    from (select r.id, case when r.network = any(${sql.param([...networks])}::text[]) then ${general}::text
        else 'The cluster has no proxy for the network ' || r.network || '; ask the operator to set OMOI_KUBERNETES_EGRESS_URL.' end as detail
      from runs r where r.in_cluster and r.status = 'queued' and ${waits(sql`r`)}) wait
    where runs.id = wait.id and runs.status = 'queued' and ${waits(sql`runs`)}
      and runs.detail is distinct from wait.detail`);
}
