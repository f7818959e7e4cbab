import { and, desc, eq, lt, sql } from "drizzle-orm";
import type { DeliveryDecision, ForgeDelivery } from "#shared/api/work/forge-deliveries.js";
import { isHome } from "../../../../cluster/home-of.js";
import type { Queryable } from "../../../../db/connection/connect.js";
import { newId } from "../../../../db/tables/columns.js";
import { forgeDeliveries } from "../../../../db/tables/forge-event-tables.js";
import type { forges } from "../../../../db/tables/forge-tables.js";
import { projectRepositories } from "../../../../db/tables/forge-tables.js";
import { projects } from "../../../../db/tables/tables.js";
import { tasks } from "../../../../db/tables/task-tables.js";

export type DeliveryRow = typeof forgeDeliveries.$inferSelect;

const shown = {
  id: forgeDeliveries.id,
  forge_id: forgeDeliveries.forge_id,
  delivery_id: forgeDeliveries.delivery_id,
  source: forgeDeliveries.source,
  event: forgeDeliveries.event,
  repository: forgeDeliveries.repository,
  number: forgeDeliveries.number,
  login: forgeDeliveries.login,
  status: forgeDeliveries.status,
  decision: forgeDeliveries.decision,
  reason: forgeDeliveries.reason,
  project_id: forgeDeliveries.project_id,
  task_id: forgeDeliveries.task_id,
  task_number: tasks.number,
  attempts: forgeDeliveries.attempts,
  received_at: forgeDeliveries.received_at,
  finished_at: forgeDeliveries.finished_at,
};

export interface DeliveryFilter {
  status?: ForgeDelivery["status"] | undefined;
  repository?: string | undefined;
  login?: string | undefined;
  number?: number | undefined;
}

/** Lists the deliveries of a connection, newest first, before an id. */
export function listDeliveries(
  tx: Queryable,
  forgeId: string,
  { status, repository, login, number }: DeliveryFilter,
  before: string | null,
  limit: number,
): Promise<ForgeDelivery[]> {
  return tx
    .select(shown)
    .from(forgeDeliveries)
    .leftJoin(tasks, eq(tasks.id, forgeDeliveries.task_id))
    .where(
      and(
        eq(forgeDeliveries.forge_id, forgeId),
        status === undefined ? undefined : eq(forgeDeliveries.status, status),
        repository === undefined ? undefined : eq(forgeDeliveries.repository, repository),
        login === undefined ? undefined : eq(forgeDeliveries.login, login),
        number === undefined ? undefined : eq(forgeDeliveries.number, number),
        before === null ? undefined : lt(forgeDeliveries.id, before),
      ),
    )
    .orderBy(desc(forgeDeliveries.id))
    .limit(limit);
}

export async function findDelivery(
  tx: Queryable,
  forgeId: string,
  id: string,
): Promise<ForgeDelivery | undefined> {
  const [row] = await tx
    .select(shown)
    .from(forgeDeliveries)
    .leftJoin(tasks, eq(tasks.id, forgeDeliveries.task_id))
    .where(and(eq(forgeDeliveries.forge_id, forgeId), eq(forgeDeliveries.id, id)));
  return row;
}

/** Finds the connection that an address for events belongs to. Requires a system transaction. */
export async function findReceiver(db: Queryable, forgeId: string) {
  const { rows } = await db.execute<{
    id: string;
    org_id: string;
    kind: typeof forges.$inferSelect.kind;
    sealed_webhook_secret: Buffer | null;
    archived: boolean;
  }>(sql`
    select f.id, f.org_id, f.kind, f.sealed_webhook_secret, o.archived_at is not null as archived
    from forges f join organizations o on o.id = f.org_id where f.id = ${forgeId}`);
  return rows[0];
}

/** Lists the projects that are linked to a repository of a connection. Forges ignore the case of names. */
export async function linkedProjects(
  tx: Queryable,
  forgeId: string,
  repository: string,
): Promise<string[]> {
  const rows = await tx
    .select({ id: projectRepositories.project_id })
    .from(projectRepositories)
    .innerJoin(projects, eq(projects.id, projectRepositories.project_id))
    .where(
      and(
        eq(projectRepositories.forge_id, forgeId),
        sql`lower(${projectRepositories.name}) = lower(${repository})`,
        sql`${projects.deleted_at} is null`,
      ),
    );
  return rows.map(({ id }) => id);
}

/** Stores deliveries that are not known yet. */
export async function insertDeliveries(
  tx: Queryable,
  rows: (typeof forgeDeliveries.$inferInsert)[],
): Promise<void> {
  await tx.insert(forgeDeliveries).values(rows).onConflictDoNothing();
}

export async function isKnown(
  tx: Queryable,
  forgeId: string,
  deliveryId: string,
): Promise<boolean> {
  const { rows } = await tx.execute(sql`
    select from forge_deliveries where forge_id = ${forgeId} and delivery_id = ${deliveryId} limit 1`);
  return rows.length > 0;
}

export async function touchForge(tx: Queryable, forgeId: string): Promise<void> {
  await tx.execute(sql`
    update forges set last_event_at = clock_timestamp()
    where id = ${forgeId} and (last_event_at is null or last_event_at < now() - interval '1 second')`);
}

/** A connection with deliveries to work on. */
export interface DueForge extends Record<string, unknown> {
  org_id: string;
  forge_id: string;
}

/** Lists a node's connections with deliveries that are due, of the organizations that `db` sees. */
export async function listDueForges(db: Queryable, nodeId: string): Promise<DueForge[]> {
  const { rows } = await db.execute<DueForge>(sql`
    select distinct d.org_id, d.forge_id from forge_deliveries d
    where d.status = 'pending' and d.next_attempt_at <= clock_timestamp() and ${isHome(nodeId, sql`d.project_id`)}`);
  return rows;
}

/** A delivery with those that name the same thing, which one look at the forge decides. */
export interface DueWork {
  first: DeliveryRow;
  all: DeliveryRow[];
}

/**
 * Reads the oldest due delivery of a connection with all others that name the same. Events of issues wait until those
 * that were there before have been read: a change could not be told from what was there.
 */
export async function nextDue(
  tx: Queryable,
  forgeId: string,
  nodeId: string,
): Promise<DueWork | null> {
  const [first] = await tx
    .select()
    .from(forgeDeliveries)
    .where(
      and(
        eq(forgeDeliveries.forge_id, forgeId),
        eq(forgeDeliveries.status, "pending"),
        sql`${forgeDeliveries.next_attempt_at} <= clock_timestamp()`,
        sql`(${forgeDeliveries.subject} ->> 'kind' is distinct from 'issue' or not exists (
          select from ${projectRepositories} where ${projectRepositories.project_id} = ${forgeDeliveries.project_id}
          and ${projectRepositories.first_issues} is null))`,
        isHome(nodeId, forgeDeliveries.project_id),
      ),
    )
    .orderBy(forgeDeliveries.next_attempt_at, forgeDeliveries.id)
    .limit(1);
  if (!first) return null;
  const all = await tx
    .select()
    .from(forgeDeliveries)
    .where(
      and(
        eq(forgeDeliveries.status, "pending"),
        eq(forgeDeliveries.project_id, first.project_id ?? ""),
        sql`${forgeDeliveries.subject} = ${JSON.stringify(first.subject)}::jsonb`,
      ),
    )
    .orderBy(forgeDeliveries.id)
    .limit(MAX_TOGETHER);
  return { first, all: all.some(({ id }) => id === first.id) ? all : [first, ...all] };
}

const MAX_TOGETHER = 200;

export interface Outcome {
  status: "done" | "ignored" | "failed";
  decision: DeliveryDecision;
  reason: string | null;
  task_id: string | null;
  /** What polling has found, and whose it is. */
  event?: string;
  login?: string | null;
}

export async function finishDelivery(tx: Queryable, id: string, outcome: Outcome): Promise<void> {
  await tx
    .update(forgeDeliveries)
    .set({
      ...outcome,
      finished_at: sql`clock_timestamp()`,
      attempts: sql`${forgeDeliveries.attempts} + 1`,
    })
    .where(eq(forgeDeliveries.id, id));
}

const FOUND = "found ";

/** Adds a delivery of a change that was seen before its event arrived. */
export async function insertFound(
  tx: Queryable,
  { org_id, forge_id, project_id, repository, subject, number }: DeliveryRow,
  outcome: Outcome,
): Promise<void> {
  const id = newId();
  await tx.insert(forgeDeliveries).values({
    id,
    org_id,
    forge_id,
    project_id,
    repository,
    subject,
    number,
    ...outcome,
    event: outcome.event ?? "",
    delivery_id: `${FOUND}${id}`,
    source: "polling",
    attempts: 1,
    finished_at: new Date().toISOString(),
  });
}

/** Removes the delivery of a change that was seen before this event arrived. Returns what was decided. */
export async function takeFound(
  tx: Queryable,
  { project_id, number, login, event }: DeliveryRow,
): Promise<Outcome | undefined> {
  const isComment = /comment|note|review/.test(event);
  const { rows } = await tx.execute<{ id: string } & Record<string, unknown>>(sql`
    select id from forge_deliveries
    where project_id = ${project_id} and number = ${number} and login = ${login} and delivery_id like ${`${FOUND}%`}
      and (event ~ 'comment|review') = ${isComment} and received_at > now() - interval '10 minutes'
    order by id limit 1`);
  const [found] = rows;
  if (!found) return undefined;
  const [row] = await tx.delete(forgeDeliveries).where(eq(forgeDeliveries.id, found.id)).returning({
    status: forgeDeliveries.status,
    decision: forgeDeliveries.decision,
    reason: forgeDeliveries.reason,
    task_id: forgeDeliveries.task_id,
  });
  return row as Outcome | undefined;
}

export async function deleteDelivery(tx: Queryable, id: string): Promise<void> {
  await tx.delete(forgeDeliveries).where(eq(forgeDeliveries.id, id));
}

/** Lets deliveries wait for another attempt. */
export async function postpone(
  tx: Queryable,
  ids: readonly string[],
  seconds: number,
  reason: string,
): Promise<void> {
  await tx
    .update(forgeDeliveries)
    .set({
      reason,
      attempts: sql`${forgeDeliveries.attempts} + 1`,
      next_attempt_at: sql`clock_timestamp() + make_interval(secs => ${seconds})`,
    })
    .where(sql`${forgeDeliveries.id} = any(${sql.param([...ids])}::uuid[])`);
}

/** Lets a delivery be worked on again. */
export async function reopenDelivery(tx: Queryable, id: string): Promise<void> {
  await tx
    .update(forgeDeliveries)
    .set({
      status: "pending",
      decision: "waiting",
      reason: null,
      attempts: 0,
      finished_at: null,
      next_attempt_at: sql`clock_timestamp()`,
    })
    .where(eq(forgeDeliveries.id, id));
}

/** Deletes deliveries that are older than some days. Requires a system transaction. */
export async function deleteOldDeliveries(
  tx: Queryable,
  days: number,
  limit: number,
): Promise<number> {
  const { rowCount } = await tx.execute(sql`
    delete from forge_deliveries where id in (
      select id from forge_deliveries where received_at < now() - make_interval(days => ${days}) limit ${limit})`);
  return rowCount ?? 0;
}
