/** Checks of changes in review, before the merge queue needs them. */
import { sql } from "drizzle-orm";
import type { RequestCheck } from "#shared/api/code/merge-requests.js";
import type { Queryable } from "../../../../db/connection/connect.js";

/** A change in review whose checks have not begun. */
export interface UncheckedChange {
  org_id: string;
  project_id: string;
  agent_id: string;
  head: string;
  branch: string;
}

/** Open checks of changes in review that an organization has at most before further changes wait. */
const MAX_OPEN = 20;

/** Lists changes of an organization in review on this node whose checks have not begun, the oldest first. */
export async function listUnchecked(tx: Queryable, nodeId: string): Promise<UncheckedChange[]> {
  const { rows } = await tx.execute<UncheckedChange & Record<string, unknown>>(sql`
    select t.org_id, t.project_id, a.agent_id, w.head_commit as head, w.base_branch as branch
    from tasks t
    join task_attempts a on a.task_id = t.id and a.archived_at is null
    join workspaces w on w.agent_id = a.agent_id and w.status = 'active'
      and w.head_commit is distinct from w.parent_commit and w.head_commit is not null
    join projects p on p.id = t.project_id and p.deleted_at is null and p.home_node = ${nodeId}::uuid
    join organizations o on o.id = t.org_id and o.archived_at is null
    where t.status = 'in_review'
      and exists (select from checks c where c.project_id = t.project_id)
      and not exists (select from commit_checks c
        where c.agent_id = a.agent_id and c.source_commit = w.head_commit)
      and not exists (select from merge_requests q where q.agent_id = a.agent_id and q.ended_at is null)
      and (select count(*) from commit_checks c
        where c.org_id = t.org_id and c.source_commit is not null and c.ended_at is null) < ${MAX_OPEN}
    order by t.updated_at, a.id limit ${MAX_OPEN}`);
  return rows;
}

/** Returns the organizations of this node with changes in review that are checked, or might be. */
export async function listOrganizationsInReview(db: Queryable, nodeId: string): Promise<string[]> {
  const { rows } = await db.execute<{ org_id: string }>(sql`
    select distinct t.org_id from tasks t
    join projects p on p.id = t.project_id and p.deleted_at is null and p.home_node = ${nodeId}::uuid
    where t.status = 'in_review' and exists (select from checks c where c.project_id = t.project_id)
    union
    select distinct c.org_id from commit_checks c
    join projects p on p.id = c.project_id and p.home_node = ${nodeId}::uuid
    where c.source_commit is not null and c.ended_at is null`);
  return rows.map(({ org_id }) => org_id);
}

const hasLeft = (nodeId: string) => sql`
  c.source_commit is not null and c.ended_at is null
  and exists (select from projects p where p.id = c.project_id and p.home_node = ${nodeId}::uuid)
  and not exists (
    select from workspaces w
    join task_attempts a on a.agent_id = w.agent_id and a.archived_at is null
    join tasks t on t.id = a.task_id and t.resolution is null
    where w.agent_id = c.agent_id and w.head_commit = c.source_commit)`;

/** Whether checks of commits run that are no longer in review. */
export async function hasLeftReview(tx: Queryable, nodeId: string): Promise<boolean> {
  const { rows } = await tx.execute(
    sql`select from commit_checks c where ${hasLeft(nodeId)} limit 1`,
  );
  return rows.length > 0;
}

/** Cancels checks of commits that are no longer in review. Returns their runs. */
export async function cancelLeftReview(tx: Queryable, nodeId: string): Promise<string[]> {
  const { rows } = await tx.execute<{ run_id: string | null }>(sql`
    update commit_checks c set status = 'cancelled', ended_at = clock_timestamp(),
      detail = 'The change is no longer in review.'
    where ${hasLeft(nodeId)} returning c.run_id`);
  return rows.flatMap(({ run_id }) => run_id ?? []);
}

/** Returns the trees of a project that were checked in review, or are. */
export async function listReviewedTrees(
  tx: Queryable,
  { project_id, branch }: { project_id: string; branch: string },
  hashes: readonly string[],
): Promise<string[]> {
  const { rows } = await tx.execute<{ tree_sha: string }>(sql`
    select distinct tree_sha from commit_checks
    where project_id = ${project_id} and branch = ${branch} and source_commit is not null
      and status <> 'cancelled' and definition_hash = any(${sql.param([...hashes])}::text[])`);
  return rows.map(({ tree_sha }) => tree_sha);
}

/** Makes the checks of a tree in review those of a commit of the queue. */
export async function adoptChecks(
  tx: Queryable,
  { project_id, branch }: { project_id: string; branch: string },
  { commit, tree }: { commit: string; tree: string },
  hashes: readonly string[],
): Promise<void> {
  await tx.execute(sql`
    update commit_checks set commit_sha = ${commit}, source_commit = null
    where project_id = ${project_id} and branch = ${branch} and source_commit is not null
      and tree_sha = ${tree} and status <> 'cancelled'
      and definition_hash = any(${sql.param([...hashes])}::text[])`);
}

/** Lists the newest checks of an agent's change, in review or in the queue, by name. */
export async function listChecksOfChange(
  tx: Queryable,
  { agent_id, head }: { agent_id: string; head: string },
): Promise<RequestCheck[]> {
  const { rows } = await tx.execute<RequestCheck & Record<string, unknown>>(sql`
    select distinct on (c.name) c.name, c.status, c.run_id, c.detail from commit_checks c
    where c.agent_id = ${agent_id} and (c.source_commit = ${head} or c.commit_sha in (
      select q.candidate_commit from merge_requests q
      where q.agent_id = ${agent_id} and q.source_commit = ${head} and q.ended_at is null))
    order by c.name, c.id desc`);
  return rows;
}
