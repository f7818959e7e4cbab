/** Approvals by reviews of a task's changes. */
import { sql } from "drizzle-orm";
import type { authorOf } from "../../../../access/author.queries.js";
import type { Queryable } from "../../../../db/connection/connect.js";
import { hasKeyOfRequester, hasPushedTo } from "./approvals.queries.js";

/** The open merge request of an agent's branch. */
export interface OpenMerge extends Record<string, unknown> {
  id: string;
  project_id: string;
  target_branch: string;
  source_commit: string | null;
  /** Approvals of members. */
  approvals: number;
  is_requester: boolean;
}

export async function findOpenMerge(
  tx: Queryable,
  agentId: string,
  userId: string,
): Promise<OpenMerge | undefined> {
  const { rows } = await tx.execute<OpenMerge>(sql`
    select q.id, q.project_id, q.target_branch, q.source_commit,
      coalesce(q.origin #>> '{actor,userId}' = ${userId} and q.origin #>> '{actor,agent}' is null, false)
        or coalesce(${hasKeyOfRequester(userId)}, false) as is_requester,
      (select count(*)::int from merge_request_approvals r where r.request_id = q.id
        and exists (select from memberships m where m.org_id = r.org_id and m.user_id = r.approver_id)
      ) as approvals
    from merge_requests q
    where q.agent_id = ${agentId} and q.kind = 'merge' and q.ended_at is null
    order by q.id desc limit 1`);
  return rows[0];
}

/** Whether a user pushed to the branch of an agent's workspace. */
export async function hasPushedToAgent(
  tx: Queryable,
  agentId: string,
  userId: string,
): Promise<boolean> {
  const { rows } = await tx.execute(sql`
    select from (select w.org_id, w.project_id, w.branch_name as source_branch from workspaces w
      where w.agent_id = ${agentId}) q
    where ${hasPushedTo(userId)}`);
  return rows.length > 0;
}

/** Lets an approval by a review count for an open request. Returns false if the person had approved before. */
export async function approveByReview(
  tx: Queryable,
  { id }: Pick<OpenMerge, "id">,
  approval: { org_id: string; approver_id: string; approver: ReturnType<typeof authorOf> },
): Promise<boolean> {
  const { org_id, approver_id, approver } = approval;
  const { rows } = await tx.execute(sql`
    insert into merge_request_approvals (request_id, approver_id, org_id, approver)
    values (${id}, ${approver_id}, ${org_id}, ${approver}) on conflict do nothing returning request_id`);
  // Announces the change of the request.
  await tx.execute(sql`update merge_requests set reason = reason where id = ${id}`);
  return rows.length > 0;
}

/** Takes an approval back: its author has asked for changes since. */
export async function withdrawApproval(
  tx: Queryable,
  { id }: Pick<OpenMerge, "id">,
  userId: string,
): Promise<void> {
  await tx.execute(sql`
    delete from merge_request_approvals where request_id = ${id} and approver_id = ${userId}`);
  await tx.execute(sql`update merge_requests set reason = reason where id = ${id}`);
}

/**
 * Lets the approvals of earlier reviews count for a new request: those of the same commit, or of the same change on
 * another base. The newest verdict of each person counts, and who may not approve the request is left out.
 * @param patchId identifies the change; null for none
 * @param keepsStale whether approvals of earlier changes count, too
 */
export async function carryApprovals(
  tx: Queryable,
  requestId: string,
  { patchId, keepsStale }: { patchId: string | null; keepsStale: boolean },
): Promise<void> {
  await tx.execute(sql`
    insert into merge_request_approvals (request_id, approver_id, org_id, approver)
    select q.id, u.id, q.org_id, v.author
    from merge_requests q
    join task_attempts a on a.agent_id = q.agent_id
    cross join lateral (
      select distinct on (r.author ->> 'id') r.* from reviews r
      where r.attempt_id = a.id and r.verdict <> 'comment' and r.author ->> 'type' = 'user'
      order by r.author ->> 'id', r.id desc) v
    join users u on u.id = (v.author ->> 'id')::uuid
    where q.id = ${requestId} and v.verdict = 'approve'
      and (${keepsStale} or v.commit_sha = q.source_commit or v.patch_id = ${patchId})
      and not (coalesce(q.origin #>> '{actor,userId}' = u.id::text, false) and q.origin #>> '{actor,agent}' is null)
      and not coalesce(made_key_of(u.id, (q.origin #>> '{actor,userId}')::uuid, q.created_at)
        and q.origin #>> '{actor,agent}' is null, false)
      and not exists (select from audit_events e where e.org_id = q.org_id and e.action = 'project.pushed'
        and e.target ->> 'id' = q.project_id::text and e.changes ? ('refs/heads/' || q.source_branch)
        and case e.actor ->> 'type'
          when 'service_account' then made_key_of(u.id, (e.actor ->> 'id')::uuid, e.at)
          else e.actor ->> 'id' = u.id::text end)
    on conflict do nothing`);
}
