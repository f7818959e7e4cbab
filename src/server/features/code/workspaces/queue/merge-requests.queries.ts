/** The merge queue's requests. */
import { and, asc, count, eq, isNotNull, isNull, sql } from "drizzle-orm";
import type { MergeRequest, RequestCheck } from "#shared/api/code/merge-requests.js";
import { protectionOf, type ProtectedBranch } from "#shared/code/protection.js";
import type { authorOf } from "../../../../access/author.queries.js";
import { isoInstant } from "../../../../db/tables/columns.js";
import type { Queryable } from "../../../../db/connection/connect.js";
import { organizations, protectedBranches, projects } from "../../../../db/tables/tables.js";
import {
  commitChecks,
  mergeRequestApprovals,
  mergeRequests,
} from "../../../../db/tables/workspace-tables.js";
import { hasKeyOfRequester, hasPushedTo } from "./approvals.queries.js";
import { openThreadsOf } from "../merges/open-threads.queries.js";

export type RequestRow = typeof mergeRequests.$inferSelect;

/** @throws unique violation of `merge_requests_one_merge` or `merge_requests_one_undo` */
export async function insertRequest(
  tx: Queryable,
  values: Omit<
    RequestRow,
    | "candidate_commit"
    | "merge_id"
    | "created_at"
    | "ended_at"
    | "requested_by"
    | "patch_id"
    | "base_commit"
  > & { requested_by: ReturnType<typeof authorOf> },
): Promise<void> {
  const ended_at = values.status === "merged" ? sql<string>`clock_timestamp()` : null;
  await tx.insert(mergeRequests).values({ ...values, ended_at });
}

const open = isNull(mergeRequests.ended_at);

export async function countOpen(tx: Queryable, projectId: string): Promise<number> {
  const [row] = await tx
    .select({ count: count() })
    .from(mergeRequests)
    .where(and(eq(mergeRequests.project_id, projectId), open));
  return row?.count ?? 0;
}

export async function findOpenOf(
  tx: Queryable,
  which: { agentId: string; branch: string } | { ofMerge: string },
): Promise<string | undefined> {
  const [row] = await tx
    .select({ id: mergeRequests.id })
    .from(mergeRequests)
    .where(
      and(
        open,
        "ofMerge" in which
          ? eq(mergeRequests.of_merge, which.ofMerge)
          : and(
              eq(mergeRequests.kind, "merge"),
              eq(mergeRequests.agent_id, which.agentId),
              eq(mergeRequests.target_branch, which.branch),
            ),
      ),
    );
  return row?.id;
}

export async function findRow(tx: Queryable, id: string): Promise<RequestRow | undefined> {
  const [row] = await tx.select().from(mergeRequests).where(eq(mergeRequests.id, id));
  return row;
}

/** An open request with what decides whether it can land. */
export interface OpenRequest extends RequestRow {
  approvals: number;
  /** Threads of the agent's task that are not resolved. */
  open_threads: number;
  /** The state of the agent's workspace; null without one. */
  workspace_status: string | null;
}

/**
 * Lists the open requests of a branch in the order of its queue: agents take turns, the longest waiting
 * first.
 */
export async function listOpen(
  tx: Queryable,
  projectId: string,
  branch: string,
): Promise<OpenRequest[]> {
  const rows = await tx
    .select({
      row: mergeRequests,
      approvals: sql<number>`(select count(*)::int from merge_request_approvals a
        where a.request_id = merge_requests.id
          and exists (select from memberships m
            where m.org_id = a.org_id and m.user_id = a.approver_id))`,
      open_threads: sql<number>`${openThreadsOf(sql`merge_requests.agent_id`)}`,
      workspace_status: sql<string | null>`(select w.status from workspaces w
        where w.agent_id = merge_requests.agent_id)`,
    })
    .from(mergeRequests)
    .where(
      and(eq(mergeRequests.project_id, projectId), eq(mergeRequests.target_branch, branch), open),
    )
    .orderBy(
      sql`row_number() over (partition by ${mergeRequests.agent_id} order by ${mergeRequests.id})`,
      asc(mergeRequests.id),
    );
  return rows.map(({ row, ...further }) => ({ ...row, ...further }));
}

/**
 * Lists the branches with open requests or checks, except those whose check has started within a
 * minute: its end continues them. Requires a system transaction.
 */
export async function listOpenQueues(
  db: Queryable,
  nodeId: string,
): Promise<{ org_id: string; project_id: string; branch: string }[]> {
  const { rows } = await db.execute<{ org_id: string; project_id: string; branch: string }>(sql`
    select queue.org_id, queue.project_id, queue.branch from (
      select q.org_id, q.project_id, q.target_branch as branch from merge_requests q
      where q.ended_at is null
      union select c.org_id, c.project_id, c.branch from commit_checks c where c.ended_at is null
    ) queue join projects p on p.id = queue.project_id and p.deleted_at is null
      and p.home_node = ${nodeId}::uuid
    where not exists (select from commit_checks c where c.project_id = queue.project_id
      and c.branch = queue.branch and c.status = 'running' and c.ended_at is null
      and c.started_at > now() - interval '1 minute')`);
  return rows;
}

/** Whether the organization is archived, and so read-only. */
export async function isArchived(tx: Queryable, orgId: string): Promise<boolean> {
  const rows = await tx
    .select({ id: organizations.id })
    .from(organizations)
    .where(and(eq(organizations.id, orgId), isNotNull(organizations.archived_at)));
  return rows.length > 0;
}

/** Whether a user pushed to the source branch of a request. */
export async function hasPushed(
  tx: Queryable,
  userId: string,
  { id }: Pick<RequestRow, "id">,
): Promise<boolean> {
  const { rows } = await tx.execute(
    sql`select from merge_requests q where q.id = ${id} and ${hasPushedTo(userId)}`,
  );
  return rows.length > 0;
}

/** Whether a user made a key of the service account that requested the merge. */
export async function madeKeyOfRequester(
  tx: Queryable,
  userId: string,
  { id }: Pick<RequestRow, "id">,
): Promise<boolean> {
  const { rows } = await tx.execute(
    sql`select from merge_requests q where q.id = ${id} and ${hasKeyOfRequester(userId)}`,
  );
  return rows.length > 0;
}

/** Lists the branches of a project with open requests. */
export async function listOpenBranches(tx: Queryable, projectId: string): Promise<string[]> {
  const rows = await tx
    .selectDistinct({ branch: mergeRequests.target_branch })
    .from(mergeRequests)
    .where(and(eq(mergeRequests.project_id, projectId), open));
  return rows.map(({ branch }) => branch);
}

/** Changes an open request. Returns false if it has ended. */
export async function updateRequest(
  tx: Queryable,
  id: string,
  changes: Partial<Pick<RequestRow, "status" | "candidate_commit" | "merge_id" | "reason">>,
): Promise<boolean> {
  const changed = await tx
    .update(mergeRequests)
    .set(changes)
    .where(and(eq(mergeRequests.id, id), open))
    .returning({ id: mergeRequests.id });
  return changed.length === 1;
}

/** Records what an open request changes. */
export async function setChange(
  tx: Queryable,
  id: string,
  change: Pick<RequestRow, "patch_id" | "base_commit">,
): Promise<void> {
  await tx.update(mergeRequests).set(change).where(eq(mergeRequests.id, id));
}

/** Ends an open request. Returns false if it has ended, or (for a cancellation) if it is landing. */
export async function endRequest(
  tx: Queryable,
  id: string,
  status: "merged" | "rejected" | "cancelled",
  reason: string | null,
): Promise<boolean> {
  const ended = await tx
    .update(mergeRequests)
    .set({ status, reason, ended_at: sql`clock_timestamp()` })
    .where(
      and(
        eq(mergeRequests.id, id),
        open,
        status === "merged" ? undefined : isNull(mergeRequests.merge_id),
      ),
    )
    .returning({ id: mergeRequests.id });
  return ended.length === 1;
}

/** Cancels the requests of a workspace that have not begun to land. */
export async function cancelRequestsOf(
  tx: Queryable,
  agentId: string,
  reason: string,
): Promise<void> {
  await tx
    .update(mergeRequests)
    .set({ status: "cancelled", reason, ended_at: sql`clock_timestamp()` })
    .where(
      and(
        eq(mergeRequests.agent_id, agentId),
        eq(mergeRequests.kind, "merge"),
        open,
        isNull(mergeRequests.merge_id),
      ),
    );
}

/** Ends the requests and checks of a deleted project. */
export async function endQueuesOf(tx: Queryable, projectId: string): Promise<void> {
  await tx
    .update(mergeRequests)
    .set({
      status: "cancelled",
      reason: "The project was deleted.",
      ended_at: sql`clock_timestamp()`,
    })
    .where(and(eq(mergeRequests.project_id, projectId), open));
  await tx
    .update(commitChecks)
    .set({ status: "cancelled", ended_at: sql`clock_timestamp()` })
    .where(and(eq(commitChecks.project_id, projectId), isNull(commitChecks.ended_at)));
}

/** Returns false if the person had approved before. */
export async function insertApproval(
  tx: Queryable,
  values: {
    request_id: string;
    approver_id: string;
    org_id: string;
    approver: ReturnType<typeof authorOf>;
  },
): Promise<boolean> {
  const added = await tx
    .insert(mergeRequestApprovals)
    .values(values)
    .onConflictDoNothing()
    .returning({ id: mergeRequestApprovals.request_id });
  return added.length === 1;
}

interface ShownRow extends Record<string, unknown> {
  id: string;
  project_id: string;
  agent_id: string;
  agent_name: string;
  kind: MergeRequest["kind"];
  of_merge: string | null;
  source_branch: string;
  source_commit: string | null;
  target_branch: string;
  status: MergeRequest["status"];
  position: number | null;
  candidate_commit: string | null;
  checks: RequestCheck[];
  approvals: { by: MergeRequest["approvals"][number]["by"]; at: string }[];
  merge_id: string | null;
  reason: string | null;
  requested_by: MergeRequest["requested_by"];
  created_at: string;
  ended_at: string | null;
  protected_branches: ProtectedBranch[];
}

/** Selects requests by a condition on `q`, with their positions. */
const shown = (condition: ReturnType<typeof sql>) => sql`
  select q.id, q.project_id, q.agent_id, a.name as agent_name, q.kind, q.of_merge, q.source_branch,
    q.source_commit, q.target_branch, q.status, q.candidate_commit, q.reason, q.requested_by,
    case when q.status = 'merged' then q.merge_id end as merge_id, q.created_at, q.ended_at, queue.position::int,
    ${protectedBranches} as protected_branches,
    coalesce((select json_agg(json_build_object('name', c.name, 'status', c.status, 'run_id', c.run_id,
        'detail', c.detail) order by c.name)
      from (select distinct on (c.name) c.* from commit_checks c
        where c.project_id = q.project_id and c.commit_sha = q.candidate_commit
        order by c.name, c.id desc) c), '[]') as checks,
    coalesce((select json_agg(json_build_object('by', p.approver, 'at', p.approved_at)
        order by p.approved_at, p.approver_id)
      from merge_request_approvals p where p.request_id = q.id), '[]') as approvals
  from merge_requests q
  join agents a on a.id = q.agent_id
  join ${projects} on ${projects.id} = q.project_id
  left join lateral (
    select ranked.position from (
      select o.id, row_number() over (order by o.turn, o.id) as position from (
        select w.id, row_number() over (partition by w.agent_id order by w.id) as turn
        from merge_requests w where w.project_id = q.project_id and w.target_branch = q.target_branch
          and w.status in ('queued', 'checking')) o) ranked
    where ranked.id = q.id) queue on true
  where ${condition}`;

/** The position of a request in a list, from which the next page continues. */
export type RequestKey = readonly [string, string];

/** Returns a request in its API form. */
export async function findRequest(tx: Queryable, id: string): Promise<MergeRequest | undefined> {
  const { rows } = await tx.execute<ShownRow>(shown(sql`q.id = ${id}`));
  return rows[0] && requestOf(rows[0]);
}

/** Lists all open requests of a project, in the order of each branch's queue. */
export async function listOpenRequests(
  tx: Queryable,
  projectId: string,
  agentId: string | null,
): Promise<MergeRequest[]> {
  const { rows } = await tx.execute<ShownRow>(sql`${shown(sql`q.project_id = ${projectId}
    and q.ended_at is null ${agentId === null ? sql`` : sql`and q.agent_id = ${agentId}`}`)}
    order by queue.position nulls last, q.id`);
  return rows.map(requestOf);
}

/** Lists the ended requests of a project, newest first. */
export async function listEndedRequests(
  tx: Queryable,
  projectId: string,
  agentId: string | null,
  after: RequestKey | null,
  limit: number,
): Promise<MergeRequest[]> {
  const condition = sql`q.project_id = ${projectId} and q.ended_at is not null
    ${agentId === null ? sql`` : sql`and q.agent_id = ${agentId}`}
    ${after === null ? sql`` : sql`and (q.ended_at, q.id) < (${after[0]}::timestamptz, ${after[1]}::uuid)`}`;
  const { rows } = await tx.execute<ShownRow>(
    sql`${shown(condition)} order by q.ended_at desc, q.id desc limit ${limit}`,
  );
  return rows.map(requestOf);
}

function requestOf(row: ShownRow): MergeRequest {
  const { protected_branches, checks, approvals, ...request } = row;
  const entry = protectionOf(protected_branches, request.target_branch);
  const isOpen = request.ended_at === null;
  const missing = (isOpen ? (entry?.checks ?? []) : []).filter(
    (name) => !checks.some((check) => check.name === name),
  );
  return {
    ...request,
    created_at: isoInstant(request.created_at),
    ended_at: request.ended_at === null ? null : isoInstant(request.ended_at),
    checks: [
      ...checks,
      ...missing.map((name) => ({ name, status: "queued" as const, run_id: null, detail: null })),
    ],
    required_approvals: entry?.approvals ?? 0,
    approvals: approvals.map(({ by, at }) => ({ by, at: isoInstant(at) })),
  };
}
