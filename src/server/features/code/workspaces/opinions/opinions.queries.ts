/** Second opinions of agents on the changes of tasks. */
import { and, eq, inArray, isNull, lt, sql } from "drizzle-orm";
import type { Opinion } from "#shared/api/work/opinions.js";
import type { authorOf } from "../../../../access/author.queries.js";
import { isHome } from "../../../../cluster/home-of.js";
import type { Queryable } from "../../../../db/connection/connect.js";
import { opinions } from "../../../../db/tables/review-tables.js";

export type OpinionRow = typeof opinions.$inferSelect;

/** An opinion with what its review, its threads and its runs tell. */
export interface ReadOpinion extends OpinionRow {
  verdict: Opinion["verdict"];
  summary: string | null;
  open_threads: number;
  cost_usd: number;
}

// Drizzle leaves the table's name out, which a subquery would read as its own column.
const read = {
  row: opinions,
  verdict: sql<
    Opinion["verdict"]
  >`(select r.verdict from reviews r where r.id = opinions.review_id)`,
  summary: sql<string | null>`(select r.body from reviews r where r.id = opinions.review_id)`,
  open_threads: sql<number>`(select count(*)::int from review_threads h
    where h.review_id = opinions.review_id and h.resolved_at is null)`,
  cost_usd: sql<number>`(select coalesce(sum(u.cost_nanousd), 0)::float8 / 1e9 from model_usage u
    where u.run_id = opinions.run_id)`,
};

const isOpen = isNull(opinions.ended_at);

export async function insertOpinion(
  tx: Queryable,
  values: Omit<typeof opinions.$inferInsert, "requested_by"> & {
    requested_by: ReturnType<typeof authorOf> | null;
  },
): Promise<void> {
  await tx.insert(opinions).values(values as never);
}

/** Lists the opinions of a task, newest first. */
export async function listOpinions(
  tx: Queryable,
  taskId: string,
  after: string | null,
  limit: number,
): Promise<ReadOpinion[]> {
  const rows = await tx
    .select(read)
    .from(opinions)
    .where(and(eq(opinions.task_id, taskId), after === null ? undefined : lt(opinions.id, after)))
    .orderBy(sql`${opinions.id} desc`)
    .limit(limit);
  return rows.map(({ row, ...rest }) => ({ ...row, ...rest }));
}

export async function findOpinion(tx: Queryable, id: string): Promise<ReadOpinion | undefined> {
  const [found] = await tx.select(read).from(opinions).where(eq(opinions.id, id));
  if (!found) return undefined;
  const { row, ...rest } = found;
  return { ...row, ...rest };
}

/** Finds an opinion and locks its row until the end of the transaction. */
export async function lockOpinion(tx: Queryable, id: string): Promise<OpinionRow | undefined> {
  const [row] = await tx.select().from(opinions).where(eq(opinions.id, id)).for("no key update");
  return row;
}

/** Counts the opinions of a task, and those that have not ended. */
export async function countOpinions(
  tx: Queryable,
  taskId: string,
): Promise<{ all: number; open: number }> {
  const { task_id } = opinions;
  return {
    all: await tx.$count(opinions, eq(task_id, taskId)),
    open: await tx.$count(opinions, and(eq(task_id, taskId), isOpen)),
  };
}

/** Lists the newest opinions on the work of agents, newest first. */
export async function listOpinionsOn(
  tx: Queryable,
  agentIds: readonly string[],
): Promise<ReadOpinion[]> {
  if (agentIds.length === 0) return [];
  const rows = await tx
    .select(read)
    .from(opinions)
    .where(inArray(opinions.agent_id, [...agentIds]))
    .orderBy(sql`${opinions.id} desc`);
  return rows.map(({ row, ...rest }) => ({ ...row, ...rest }));
}

/** An opinion that a server process has taken. */
export type TakenOpinion = Omit<OpinionRow, "run_id"> & { run_id: string };

/**
 * Takes the next queued opinion of a node, of any organization: those with the fewest running opinions come first,
 * and of those the one whose last opinion started the longest ago. An organization has as many at once as agents.
 * Requires a system transaction.
 */
export async function takeOpinion(
  db: Queryable,
  nodeId: string,
  runId: string,
  exceptOrgs: readonly string[],
): Promise<TakenOpinion | undefined> {
  const running = sql`(select count(*) from opinions r
    where r.org_id = v.org_id and r.status = 'running' and r.ended_at is null)`;
  const next = sql`(
    select v.id from opinions v
    join projects p on p.id = v.project_id and p.deleted_at is null
      and p.home_node = ${nodeId}::uuid
    join organizations o on o.id = v.org_id and o.archived_at is null
    where v.status = 'queued' and v.org_id <> all(${sql.param([...exceptOrgs])}::uuid[])
      and ${running} < o.max_concurrent_agents
    order by ${running}, (select max(s.started_at) from opinions s where s.org_id = v.org_id) nulls first,
      v.created_at, v.id
    limit 1 for update of v skip locked)`;
  const [row] = await db
    .update(opinions)
    .set({
      status: "running",
      run_id: runId,
      attempts: sql`${opinions.attempts} + 1`,
      started_at: sql`clock_timestamp()`,
      detail: null,
    })
    .where(sql`${opinions.id} = ${next}`)
    .returning();
  return row && { ...row, run_id: runId };
}

/** Says what the queued opinions of an organization wait for. */
export async function explainOpinionWait(
  tx: Queryable,
  orgId: string,
  detail: string,
): Promise<void> {
  await tx
    .update(opinions)
    .set({ detail })
    .where(
      and(
        eq(opinions.org_id, orgId),
        eq(opinions.status, "queued"),
        sql`${opinions.detail} is distinct from ${detail}`,
      ),
    );
}

/** A running opinion whose run has ended without a published review. */
export interface EndedOpinion extends TakenOpinion {
  run_status: string;
  run_detail: string | null;
  /** The final message of its program. */
  result: string | null;
}

/** Lists running opinions of a node whose runs have ended, at most 100. Requires a system transaction. */
export async function listEndedOpinions(db: Queryable, nodeId: string): Promise<EndedOpinion[]> {
  const { rows } = await db.execute<{
    id: string;
    run_status: string;
    run_detail: string | null;
    result: string | null;
  }>(sql`
    select v.id, r.status as run_status, r.detail as run_detail, r.result
    from opinions v join runs r on r.id = v.run_id
    where v.status = 'running' and r.ended_at is not null and ${isHome(nodeId, sql`v.project_id`)}
    order by v.id limit 100`);
  if (rows.length === 0) return [];
  const ids = rows.map(({ id }) => id);
  const found = await db.select().from(opinions).where(inArray(opinions.id, ids));
  return rows.flatMap(({ id, ...ended }) => {
    const row = found.find((one) => one.id === id);
    return row?.run_id == null ? [] : [{ ...row, run_id: row.run_id, ...ended }];
  });
}

/** Whether a node has queued opinions. Requires a system transaction. */
export async function hasQueuedOpinions(db: Queryable, nodeId: string): Promise<boolean> {
  const { rows } = await db.execute(sql`
    select from opinions v where v.status = 'queued' and ${isHome(nodeId, sql`v.project_id`)} limit 1`);
  return rows.length > 0;
}

/** Ends an opinion, once. Returns false if it has ended, or if another run has taken it meanwhile. */
export async function endOpinion(
  tx: Queryable,
  { id, run_id }: Pick<OpinionRow, "id" | "run_id">,
  end:
    | { status: "done"; review_id: string }
    | { status: "failed" | "cancelled"; detail: string; run_id?: null },
): Promise<boolean> {
  const ended = await tx
    .update(opinions)
    .set({ detail: null, ...end, ended_at: sql`clock_timestamp()` })
    .where(
      and(
        eq(opinions.id, id),
        isOpen,
        run_id === null ? isNull(opinions.run_id) : eq(opinions.run_id, run_id),
      ),
    )
    .returning({ id: opinions.id });
  return ended.length === 1;
}

/** Queues an opinion again: one whose run says nothing about the change, or one that has ended without a review. */
export async function requeueOpinion(
  tx: Queryable,
  { id, run_id }: Pick<OpinionRow, "id" | "run_id">,
  changes: Partial<Pick<OpinionRow, "attempts" | "origin">> = {},
): Promise<void> {
  await tx
    .update(opinions)
    .set({
      status: "queued",
      run_id: null,
      detail: null,
      started_at: null,
      ended_at: null,
      ...changes,
    })
    .where(
      and(
        eq(opinions.id, id),
        isNull(opinions.review_id),
        run_id === null ? isNull(opinions.run_id) : eq(opinions.run_id, run_id),
      ),
    );
}

/** Records that a protected branch requires opinions that people had asked for. */
export async function setRequired(tx: Queryable, ids: readonly string[]): Promise<void> {
  await tx
    .update(opinions)
    .set({ required: true })
    .where(inArray(opinions.id, [...ids]));
}

export async function setDismissed(
  tx: Queryable,
  id: string,
  by: ReturnType<typeof authorOf>,
  reason: string,
): Promise<void> {
  await tx.execute(sql`
    update opinions set dismissed = jsonb_build_object('by', ${by}, 'reason', ${reason}::text,
      'at', wire_time(clock_timestamp())) where id = ${id}`);
}
