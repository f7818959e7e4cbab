import { and, eq, sql, type SQL } from "drizzle-orm";
import type { SandboxState } from "#shared/api/execution/sandbox.js";
import type { Runner } from "#shared/api/execution/runners.js";
import { RUNNER_LEASE_SECONDS } from "#shared/execution/runner/protocol.js";
import type { Queryable } from "../../../db/connection/connect.js";
import { isoInstant } from "../../../db/tables/columns.js";
import { runners } from "../../../db/tables/node-tables.js";
import { organizations, runs } from "../../../db/tables/tables.js";

/** Identifies a runner by its id or name. */
export type RunnerReference = { id: string } | { name: string };

type Row = Runner & Record<string, unknown>;

const isWanted = (by: RunnerReference): SQL =>
  "id" in by ? sql`r.id = ${by.id}` : sql`lower(r.name) = lower(${by.name})`;

const statusOf = sql`case when r.last_seen_at is null
      or r.last_seen_at <= clock_timestamp() - make_interval(secs => ${RUNNER_LEASE_SECONDS})
    then 'offline'
  when r.paused then 'paused' else 'online' end`;

/** Counts the runners by status. */
export const runnersByStatus = sql`
  select array[${statusOf}] as labels, count(*)::float8 as value from ${runners} r group by 1`;

/** Selects runners with the number of their runs that the transaction sees. */
async function selectRunners(tx: Queryable, which: SQL): Promise<Runner[]> {
  const { rows } = await tx.execute<Row>(sql`
    select r.id, r.name, r.kind, r.org_id as organization_id, ${statusOf} as status, r.paused, r.labels, r.slots,
      (select count(*)::int from runs where runner_id = r.id and runs.status = 'running') as running,
      r.host, r.version, r.last_seen_at, r.created_at
    from ${runners} r where ${which}`);
  return rows.map((row) => ({
    ...row,
    last_seen_at: row.last_seen_at && isoInstant(row.last_seen_at),
    created_at: isoInstant(row.created_at),
  }));
}

/**
 * Lists runners by name, after the given one.
 * @param orgId only those that take the runs of this organization
 */
export function listRunners(
  tx: Queryable,
  after: string | null,
  limit: number,
  orgId?: string,
): Promise<Runner[]> {
  const rest = after === null ? sql`true` : sql`r.name > ${after}`;
  const own = orgId === undefined ? sql`true` : sql`(r.org_id is null or r.org_id = ${orgId})`;
  return selectRunners(tx, sql`${rest} and ${own} order by r.name limit ${limit}`);
}

export async function findRunner(tx: Queryable, by: RunnerReference): Promise<Runner | undefined> {
  const [runner] = await selectRunners(tx, isWanted(by));
  return runner;
}

/** The cluster, as far as runs depend on it. */
interface Cluster extends Pick<Runner, "status"> {
  networks: SandboxState["kubernetes"]["networks"];
}

/** Returns the cluster; undefined if no server uses one. */
export async function findCluster(tx: Queryable): Promise<Cluster | undefined> {
  const { rows } = await tx.execute<Cluster & Record<string, unknown>>(
    sql`select ${statusOf} as status, r.networks from ${runners} r where r.kind = 'cluster'`,
  );
  return rows[0];
}

/** Locks a runner until the transaction ends, against offers of runs and other changes. */
export async function lockRunner(tx: Queryable, by: RunnerReference): Promise<Runner | undefined> {
  await tx.execute(sql`select from ${runners} r where ${isWanted(by)} for update`);
  return findRunner(tx, by);
}

/** @throws unique violation of `runners_name_key` */
export async function insertRunner(
  tx: Queryable,
  runner: typeof runners.$inferInsert,
): Promise<void> {
  await tx.insert(runners).values(runner);
}

/** @throws unique violation of `runners_name_key` */
export async function updateRunner(
  tx: Queryable,
  { id, name, paused }: Pick<Runner, "id" | "name" | "paused">,
): Promise<void> {
  await tx.update(runners).set({ name, paused }).where(eq(runners.id, id));
}

/** Ends the runs of a runner as lost, counted to their last heartbeat. */
export async function endRunsOfRunner(tx: Queryable, id: string, detail: string): Promise<void> {
  await tx.execute(sql`
    update runs set status = coalesce(outcome, 'lost'),
      ended_at = coalesce(exited_at, last_heartbeat_at, started_at), lease_expires_at = null,
      token_hash = null, sealed_env = null, detail = case when outcome is null then ${detail} else detail end
    where runner_id = ${id} and status = 'running'`);
}

/** Gives queued runs that were offered to a runner back to the queue. */
export async function releaseOffers(tx: Queryable, id: string): Promise<void> {
  await tx
    .update(runs)
    .set({ runner_id: null, offered_until: null })
    .where(and(eq(runs.runner_id, id), eq(runs.status, "queued")));
}

export async function deleteRunner(tx: Queryable, id: string): Promise<void> {
  await tx.delete(runners).where(eq(runners.id, id));
}

/** Finds the id of an organization by id or slug. */
export async function findOrganization(
  tx: Queryable,
  by: { id: string } | { slug: string },
): Promise<string | undefined> {
  const [row] = await tx
    .select({ id: organizations.id })
    .from(organizations)
    .where("id" in by ? eq(organizations.id, by.id) : eq(organizations.slug, by.slug));
  return row?.id;
}
