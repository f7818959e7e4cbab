/** Merge requests that wait for a person's approval. */
import { sql } from "drizzle-orm";
import type { MergeRequest } from "#shared/api/code/merge-requests.js";
import type { Queryable } from "../../../../db/connection/connect.js";

export interface WaitingRequest extends Record<string, unknown> {
  key: string;
  at: Date;
  project_id: string;
  project_name: string;
  agent_id: string;
  agent_name: string;
  merge_request_id: string;
  kind: MergeRequest["kind"];
  source_branch: string;
  target_branch: string;
  reason: string | null;
  requested_by: MergeRequest["requested_by"];
}

/**
 * Whether a user pushed to a branch of a project, or made a key of the service account that did; the columns are those
 * of a merge request `q`.
 */
export const hasPushedTo = (userId: string) => sql`exists (
  select from audit_events e where e.org_id = q.org_id and e.action = 'project.pushed'
    and e.target ->> 'id' = q.project_id::text and e.changes ? ('refs/heads/' || q.source_branch)
    and case e.actor ->> 'type'
      when 'service_account' then made_key_of(${userId}::uuid, (e.actor ->> 'id')::uuid, e.at)
      else e.actor ->> 'id' = ${userId} end)`;

/** Whether a user made a key of the service account that requested a merge request `q`. */
export const hasKeyOfRequester = (userId: string) => sql`(
  q.origin #>> '{actor,agent}' is null
  and made_key_of(${userId}::uuid, (q.origin #>> '{actor,userId}')::uuid, q.created_at))`;

/**
 * Lists the requests that a person may approve and has not approved, newest first: the same rule as
 * `approveRequest`.
 * @param only keys of the requests to list; null for all
 * @param except keys of requests to leave out
 */
export async function listAwaitingApproval(
  tx: Queryable,
  orgId: string,
  userId: string,
  { only, except }: { only: readonly string[] | null; except: readonly string[] },
  limit: number,
): Promise<WaitingRequest[]> {
  const key = sql`'merge_request:' || q.id`;
  const { rows } = await tx.execute<WaitingRequest>(sql`
    select ${key} as key, q.created_at as at, q.project_id, p.name as project_name, q.agent_id,
      a.name as agent_name, q.id as merge_request_id, q.kind, q.source_branch, q.target_branch, q.reason,
      q.requested_by
    from merge_requests q
    join projects p on p.id = q.project_id and p.deleted_at is null
    join agents a on a.id = q.agent_id
    where q.org_id = ${orgId} and q.status = 'waiting_for_approval'
      and (${only === null} or ${key} = any(${sql.param(only ?? [])}::text[]))
      and ${key} <> all(${sql.param(except)}::text[])
      and not coalesce(q.origin -> 'actor' ->> 'userId' = ${userId}
        and q.origin -> 'actor' ->> 'agent' is null, false)
      and not exists (select from merge_request_approvals r
        where r.request_id = q.id and r.approver_id = ${userId})
      and not coalesce(${hasKeyOfRequester(userId)}, false)
      and not ${hasPushedTo(userId)}
    order by q.created_at desc, q.id desc limit ${limit}`);
  return rows;
}
