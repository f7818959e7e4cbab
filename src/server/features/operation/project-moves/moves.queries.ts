import { sql } from "drizzle-orm";
import type { MoveState, ProjectMove } from "#shared/api/operation/project-moves.js";
import type { Queryable } from "../../../db/connection/connect.js";
import { isoInstant } from "../../../db/tables/columns.js";

/** A move with the ids that its steps need. */
export interface MoveRow extends ProjectMove {
  id: string;
  org_id: string;
  attempt: string | null;
  /** Whether the project was deleted meanwhile. */
  is_deleted: boolean;
}

interface Row extends Record<string, unknown>, Omit<MoveRow, "from" | "to"> {
  from_node: string;
  from_name: string;
  to_node: string;
  to_name: string;
}

const selectMoves = sql`
  select m.id, m.project_id, p.org_id, m.state, m.attempt, m.from_node, f.name as from_name,
    m.to_node, t.name as to_name, m.started_at, m.frozen_at, m.switched_at, m.finished_at, m.error,
    m.bytes_total::float8, m.bytes_copied::float8, p.deleted_at is not null as is_deleted
  from project_moves m join projects p on p.id = m.project_id
  join nodes f on f.id = m.from_node join nodes t on t.id = m.to_node`;

/** States in which the project has no home. */
const IN_TRANSIT = sql`('freezing', 'switching')`;
const UNFINISHED = sql`('copying', 'freezing', 'switching', 'cleaning')`;

export async function findMoveOf(tx: Queryable, projectId: string): Promise<MoveRow | undefined> {
  const { rows } = await tx.execute<Row>(sql`${selectMoves} where m.project_id = ${projectId}`);
  return rows[0] && moveOf(rows[0]);
}

export async function findMove(tx: Queryable, id: string): Promise<MoveRow | undefined> {
  const { rows } = await tx.execute<Row>(sql`${selectMoves} where m.id = ${id}`);
  return rows[0] && moveOf(rows[0]);
}

/** Lists the unfinished moves from and to a node, the oldest first. */
export async function listUnfinished(tx: Queryable, nodeId: string): Promise<MoveRow[]> {
  const { rows } = await tx.execute<Row>(sql`${selectMoves}
    where m.state in ${UNFINISHED} and ${nodeId}::uuid in (m.from_node, m.to_node)
    order by m.started_at, m.id`);
  return rows.map(moveOf);
}

/** Lists the moves to a node that have ended without it, of projects with another home. */
export async function listFailedTo(tx: Queryable, nodeId: string): Promise<MoveRow[]> {
  const { rows } = await tx.execute<Row>(sql`${selectMoves}
    where m.to_node = ${nodeId} and m.state in ('failed', 'canceled')
      and p.home_node is distinct from ${nodeId}::uuid`);
  return rows.map(moveOf);
}

/** Locks the row of a move until the transaction ends. */
export async function lockMove(tx: Queryable, id: string): Promise<MoveRow | undefined> {
  await tx.execute(sql`select from project_moves where id = ${id} for update`);
  return findMove(tx, id);
}

export async function insertMove(
  tx: Queryable,
  move: { id: string; project_id: string; from_node: string; to_node: string },
): Promise<void> {
  await tx.execute(sql`delete from project_moves where project_id = ${move.project_id}`);
  await tx.execute(sql`
    insert into project_moves (id, project_id, from_node, to_node, state)
    values (${move.id}, ${move.project_id}, ${move.from_node}, ${move.to_node}, 'copying')`);
}

/** Begins an attempt, to which the move belongs from now on; the project is in use again. */
export async function beginAttempt(
  tx: Queryable,
  id: string,
  attempt: string | null,
): Promise<void> {
  await tx.execute(sql`
    update projects set home_node = m.from_node from project_moves m
    where m.id = ${id} and projects.id = m.project_id and m.state in ${IN_TRANSIT}`);
  await tx.execute(sql`
    update project_moves set attempt = ${attempt}, state = 'copying', frozen_at = null,
      bytes_total = 0, bytes_copied = 0
    where id = ${id}`);
}

/** Gives the project back to its home, and continues to copy. */
export async function unfreeze(tx: Queryable, id: string): Promise<void> {
  await tx.execute(sql`
    update projects set home_node = m.from_node from project_moves m
    where m.id = ${id} and projects.id = m.project_id and m.state in ${IN_TRANSIT}`);
  await tx.execute(sql`
    update project_moves set state = 'copying', frozen_at = null
    where id = ${id} and state in ${IN_TRANSIT}`);
}

/** Takes the project from its home, in the epoch in which that node ended its work on it. */
export async function freeze(tx: Queryable, id: string, fromEpoch: number): Promise<void> {
  await tx.execute(sql`
    update projects set home_node = null from project_moves m
    where m.id = ${id} and projects.id = m.project_id`);
  await tx.execute(sql`
    update project_moves set state = 'freezing', from_epoch = ${fromEpoch},
      frozen_at = coalesce(frozen_at, clock_timestamp())
    where id = ${id}`);
}

/** Whether a node is in the epoch in which it ended its work on the project. */
export async function isFromEpochCurrent(tx: Queryable, id: string): Promise<boolean> {
  const { rows } = await tx.execute(sql`
    select from project_moves m join nodes n on n.id = m.from_node and n.epoch = m.from_epoch
    where m.id = ${id}`);
  return rows.length > 0;
}

export async function setSwitching(tx: Queryable, id: string): Promise<void> {
  await tx.execute(sql`update project_moves set state = 'switching' where id = ${id}`);
}

/** Makes the new node the home. */
export async function switchHome(tx: Queryable, id: string): Promise<void> {
  await tx.execute(sql`
    update projects set home_node = m.to_node from project_moves m
    where m.id = ${id} and projects.id = m.project_id`);
  await tx.execute(sql`
    update project_moves set state = 'cleaning', switched_at = clock_timestamp() where id = ${id}`);
}

/** Ends a move; a project without a home gets the former one back. */
export async function endMove(
  tx: Queryable,
  id: string,
  state: Extract<MoveState, "done" | "failed" | "canceled">,
  error: string | null = null,
): Promise<void> {
  await unfreeze(tx, id);
  await tx.execute(sql`
    update project_moves set state = ${state}, error = ${error}, attempt = null,
      finished_at = clock_timestamp()
    where id = ${id}`);
}

/** Ends the moves from and to a node that is gone for good. */
export async function endMovesOf(tx: Queryable, nodeId: string): Promise<void> {
  const { rows } = await tx.execute<{ id: string; state: MoveState }>(sql`
    select id, state from project_moves
    where ${nodeId} in (from_node, to_node) and state in ${UNFINISHED} for update`);
  for (const { id, state } of rows) {
    if (state === "cleaning") await endMove(tx, id, "done");
    else await endMove(tx, id, "failed", "A server of the move is gone");
  }
}

/** Records progress. @returns false when the attempt has lost the move */
export async function addProgress(
  tx: Queryable,
  { id, attempt }: { id: string; attempt: string },
  { total, copied }: { total: number | null; copied: number },
): Promise<boolean> {
  const { rows } = await tx.execute(sql`
    update project_moves set bytes_total = coalesce(${total}::bigint, bytes_total),
      bytes_copied = bytes_copied + ${copied}
    where id = ${id} and attempt = ${attempt} returning id`);
  return rows.length > 0;
}

/** Whether a run of the project, or of one of its agents, is in progress. */
export async function hasRunningRun(tx: Queryable, projectId: string): Promise<boolean> {
  const { rows } = await tx.execute(sql`
    select from runs r where r.ended_at is null and r.status = 'running'
      and (r.project_id = ${projectId}
        or r.agent_id in (select id from agents where project_id = ${projectId})) limit 1`);
  return rows.length > 0;
}

export interface MovedProject extends Record<string, unknown> {
  id: string;
  org_id: string;
  name: string;
  home_node: string | null;
}

export async function findProject(tx: Queryable, id: string): Promise<MovedProject | undefined> {
  const { rows } = await tx.execute<MovedProject>(sql`
    select id, org_id, name, home_node from projects where id = ${id} and deleted_at is null`);
  return rows[0];
}

/** Finds a project by the slugs of its organization and its own. */
export async function findByAddress(tx: Queryable, address: string): Promise<string | undefined> {
  const { rows } = await tx.execute<{ id: string }>(sql`
    select p.id from projects p join organization_slugs s on s.org_id = p.org_id
    where s.slug = split_part(${address}, '/', 1) and p.slug = split_part(${address}, '/', 2)
      and p.deleted_at is null`);
  return rows[0]?.id;
}

/** Finds a project whose files were not removed, also a deleted one. */
export async function findStored(
  tx: Queryable,
  id: string,
): Promise<{ org_id: string; home_node: string | null } | undefined> {
  const { rows } = await tx.execute<{ org_id: string; home_node: string | null }>(sql`
    select org_id, home_node from projects where id::text = ${id} and removed_at is null`);
  return rows[0];
}

/** Returns the home of a project, also of a deleted one. */
export async function findHome(tx: Queryable, id: string): Promise<string | null> {
  const { rows } = await tx.execute<{ home_node: string | null }>(sql`
    select home_node from projects where id = ${id}`);
  return rows[0]?.home_node ?? null;
}

export async function isLeased(tx: Queryable, nodeId: string): Promise<boolean> {
  const { rows } = await tx.execute(sql`
    select from nodes where id = ${nodeId} and lease_until > clock_timestamp()`);
  return rows.length > 0;
}

/** Whether a project has been frozen for longer. */
export async function isFrozenFor(tx: Queryable, id: string, seconds: number): Promise<boolean> {
  const { rows } = await tx.execute(sql`
    select from project_moves
    where id = ${id} and frozen_at < clock_timestamp() - make_interval(secs => ${seconds})`);
  return rows.length > 0;
}

/** The agents of a project. A name that was released may belong to another agent. */
export async function listAgents(
  tx: Queryable,
  projectId: string,
): Promise<{ id: string; name: string | null }[]> {
  const { rows } = await tx.execute<{ id: string; name: string | null }>(sql`
    select id, case when not name_released then name end as name from agents
    where project_id = ${projectId} order by id`);
  return rows;
}

function moveOf({ from_node, from_name, to_node, to_name, ...row }: Row): MoveRow {
  const at = (time: string | null): string | null => time && isoInstant(time);
  return {
    ...row,
    from: { id: from_node, name: from_name },
    to: { id: to_node, name: to_name },
    started_at: isoInstant(row.started_at),
    frozen_at: at(row.frozen_at),
    switched_at: at(row.switched_at),
    finished_at: at(row.finished_at),
  };
}

/** The fields of a move that callers see. */
export function shownMove({
  id: _id,
  org_id,
  attempt,
  is_deleted,
  ...shown
}: MoveRow): ProjectMove {
  return shown;
}
