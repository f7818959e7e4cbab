/** Shows the results of merge queues as a status of the newest commit of a pull request. */
import { sql } from "drizzle-orm";
import type { Queryable } from "../../../../../db/connection/connect.js";
import { forgeStatuses } from "../../../../../db/tables/forge-event-tables.js";
import type { CommitStatus } from "../../forge-discussion.js";
import type { WorkDeps } from "../work-deps.js";

interface QueuedRequest extends Record<string, unknown> {
  pull_request_id: string;
  forge_id: string;
  repository: string;
  sha: string;
  status: string;
  reason: string | null;
  task_id: string;
  shown: string | null;
}

/** Lists the open pull requests of an organization whose workspace was in a merge queue. */
async function listQueued(tx: Queryable, nodeId: string): Promise<QueuedRequest[]> {
  const { rows } = await tx.execute<QueuedRequest>(sql`
    select q.id as pull_request_id, q.forge_id, q.repository, m.source_commit as sha, m.status, m.reason, q.task_id, s.shown
    from pull_requests q
    join projects p on p.id = q.project_id and p.deleted_at is null and p.home_node = ${nodeId}::uuid
    join forges f on f.id = q.forge_id and (f.retry_at is null or f.retry_at < clock_timestamp())
    join task_attempts a on a.id = q.attempt_id
    join lateral (select * from merge_requests m where m.agent_id = a.agent_id order by m.id desc limit 1) m on true
    left join forge_statuses s on s.pull_request_id = q.id
    where q.number is not null and m.source_commit in (q.head_sha, q.pushed_sha)
      and q.created_at > now() - interval '90 days'
    limit 200`);
  return rows;
}

function statusOf({ status, reason }: QueuedRequest): Pick<CommitStatus, "state" | "description"> {
  const about = (text: string) => (reason === null ? text : reason).slice(0, 140);
  switch (status) {
    case "merged":
      return { state: "success", description: about("Merged by the queue") };
    case "rejected":
      return { state: "failure", description: about("Not merged by the queue") };
    case "cancelled":
      return { state: "failure", description: about("Removed from the queue") };
    default:
      return { state: "pending", description: "In the merge queue" };
  }
}

export async function showQueues(
  { db, clients, publicUrl }: WorkDeps,
  orgId: string,
  onError: (error: unknown) => void,
): Promise<void> {
  const queued = await db.tenant(orgId, (tx) => listQueued(tx, db.node.id));
  for (const request of queued) {
    const { pull_request_id, forge_id, repository, sha, task_id } = request;
    const status = statusOf(request);
    const shown = `${sha} ${status.state} ${status.description}`;
    if (shown === request.shown) continue;
    try {
      await clients.use(orgId, forge_id, (forge) =>
        forge.setCommitStatus(repository, sha, {
          ...status,
          name: "omoi/merge-queue",
          url: `${publicUrl()}/tasks/${task_id}`,
        }),
      );
      await db.tenant(orgId, (tx) =>
        tx
          .insert(forgeStatuses)
          .values({ pull_request_id, org_id: orgId, shown })
          .onConflictDoUpdate({ target: forgeStatuses.pull_request_id, set: { shown } }),
      );
    } catch (error) {
      onError(error);
    }
  }
}
