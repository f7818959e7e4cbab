/** Schedule and errors of automatic checkpoints. */
import { sql } from "drizzle-orm";
import type { ErrorCode } from "#shared/errors.js";
import { isHome } from "../../../../cluster/home-of.js";
import type { Queryable } from "../../../../db/connection/connect.js";

/** A due checkpoint with the time of its previous claim. */
export interface DueCheckpoint {
  org_id: string;
  agent_id: string;
  looked_before: string | null;
}

/**
 * Claims due checkpoints of a node, longest overdue first; each is claimed by one process. Requires a system
 * transaction.
 * @param onlyRuns whether only workspaces with a run in progress count
 */
export async function claimDueCheckpoints(
  db: Queryable,
  nodeId: string,
  limit: number,
  onlyRuns: boolean,
): Promise<DueCheckpoint[]> {
  const { rows } = await db.execute<DueCheckpoint & Record<string, unknown>>(sql`
    with due as (
      select w.org_id, w.agent_id, w.checkpoint_interval_minutes as minutes, k.looked_at
      from workspaces w
      join organizations o on o.id = w.org_id and o.archived_at is null
      left join checkpoint_looks k on k.agent_id = w.agent_id
      where w.status = 'active' and w.auto_checkpoint and w.workspace_type in ('local', 'docker')
        and ${isHome(nodeId, sql`w.project_id`)}
        and (not ${onlyRuns}::boolean or exists (
          select from runs r where r.agent_id = w.agent_id and r.status = 'running'))
        and coalesce(k.looked_at, w.created_at) + make_interval(mins => w.checkpoint_interval_minutes) <= now()
      order by coalesce(k.looked_at, w.created_at) limit ${limit}
    ), taken as (
      insert into checkpoint_looks as k (org_id, agent_id, looked_at)
      select org_id, agent_id, now() from due
      on conflict (agent_id) do update set looked_at = excluded.looked_at
        where k.looked_at + make_interval(mins => (select minutes from due d where d.agent_id = k.agent_id))
          <= now()
      returning k.agent_id
    )
    select due.org_id, due.agent_id, due.looked_at::text as looked_before
    from due join taken on taken.agent_id = due.agent_id
    order by due.looked_at nulls first`);
  return rows;
}

/** Makes a claimed checkpoint due again, because the workspace was busy. */
export async function releaseCheckpoint(tx: Queryable, due: DueCheckpoint): Promise<void> {
  await tx.execute(
    due.looked_before === null
      ? sql`delete from checkpoint_looks where agent_id = ${due.agent_id} and error is null`
      : sql`update checkpoint_looks set looked_at = ${due.looked_before}::timestamptz
          where agent_id = ${due.agent_id}`,
  );
}

/** Records why an automatic checkpoint failed. */
export async function recordCheckpointError(
  tx: Queryable,
  workspace: { org_id: string; agent_id: string },
  error: { code: ErrorCode; detail: string },
): Promise<void> {
  await tx.execute(sql`
    insert into checkpoint_looks (org_id, agent_id, looked_at, failed_at, error_code, error)
    values (${workspace.org_id}, ${workspace.agent_id}, now(), now(), ${error.code}, ${error.detail})
    on conflict (agent_id) do update
      set failed_at = excluded.failed_at, error_code = excluded.error_code, error = excluded.error`);
}

/** Clears the error after a successful commit. */
export async function clearCheckpointError(tx: Queryable, agentId: string): Promise<void> {
  await tx.execute(sql`
    update checkpoint_looks set failed_at = null, error_code = null, error = null
    where agent_id = ${agentId}`);
}
