import { sql } from "drizzle-orm";
import type { Queryable } from "../../../../db/connection/connect.js";
import type { Origin } from "../../../../db/audit/audit.js";

/** The workspace of a pull request, and on whose behalf it changes. */
export interface FollowedBranch extends Record<string, unknown> {
  org_id: string;
  import_url: string;
  agent_id: string;
  branch_name: string;
  base_branch: string;
  head_commit: string | null;
  /** The request that created the task. */
  origin: Origin;
  session_id: string;
  /** The run of a session that is idle; null without one. */
  idle_run_id: string | null;
}

/** Finds the workspace of a request that its agent does not change now; undefined for another one. */
export async function findFollowed(tx: Queryable, id: string): Promise<FollowedBranch | undefined> {
  const { rows } = await tx.execute<FollowedBranch>(sql`
    select q.org_id, p.import_url, a.agent_id, w.branch_name, w.base_branch, w.head_commit, t.origin,
      a.session_id, n.id as idle_run_id
    from pull_requests q
    join projects p on p.id = q.project_id and p.deleted_at is null
    join project_repositories r on r.project_id = q.project_id and r.forge_id = q.forge_id and r.name = q.repository
    join tasks t on t.id = q.task_id and t.resolution is null
    join task_attempts a on a.id = q.attempt_id
    cross join lateral task_attempt_state(a) state
    join workspaces w on w.agent_id = a.agent_id and w.status = 'active'
    left join agent_sessions s on s.id = a.session_id and s.status = 'idle'
    left join runs n on n.id = s.run_id and n.status = 'running' and n.stop_status is null
    where q.id = ${id} and state.kind is distinct from 'permission'
      and state.status in ('needs_you', 'ready', 'failed', 'stopped')`);
  return rows[0];
}
