import { and, desc, eq, inArray, lt, sql } from "drizzle-orm";
import type { PullRequest } from "#shared/api/work/pull-requests.js";
import { isHome } from "../../../../cluster/home-of.js";
import type { Queryable } from "../../../../db/connection/connect.js";
import { newId } from "../../../../db/tables/columns.js";
import { forges, projectRepositories, pullRequests } from "../../../../db/tables/forge-tables.js";
import { projects } from "../../../../db/tables/tables.js";
import { taskAttempts, tasks } from "../../../../db/tables/task-tables.js";

export type PullRequestRow = typeof pullRequests.$inferSelect;

const open = inArray(pullRequests.state, ["opening", "open", "draft"]);

const shown = {
  id: pullRequests.id,
  project_id: pullRequests.project_id,
  task_id: pullRequests.task_id,
  task_number: tasks.number,
  forge_id: pullRequests.forge_id,
  repository: pullRequests.repository,
  number: pullRequests.number,
  url: pullRequests.url,
  title: pullRequests.title,
  state: pullRequests.state,
  head: pullRequests.head,
  head_sha: pullRequests.head_sha,
  base: pullRequests.base,
  review_decision: pullRequests.review_decision,
  checks: pullRequests.checks,
  mergeable: pullRequests.mergeable,
  comments: pullRequests.comments,
  merged_sha: pullRequests.merged_sha,
  auto_update: pullRequests.auto_update,
  error: pullRequests.error,
  checked_at: pullRequests.checked_at,
  created_at: pullRequests.created_at,
  updated_at: pullRequests.updated_at,
};

/** Lists the pull requests of a project, newest first. An agent sees those of its own attempts. */
export function listPullRequests(
  tx: Queryable,
  {
    projectId,
    agentId,
    state,
  }: { projectId: string; agentId: string | null; state: string | null },
  before: string | null,
  limit: number,
): Promise<PullRequest[]> {
  return tx
    .select(shown)
    .from(pullRequests)
    .innerJoin(tasks, eq(tasks.id, pullRequests.task_id))
    .innerJoin(taskAttempts, eq(taskAttempts.id, pullRequests.attempt_id))
    .where(
      and(
        eq(pullRequests.project_id, projectId),
        state === null ? undefined : eq(pullRequests.state, state as PullRequest["state"]),
        agentId === null ? undefined : eq(taskAttempts.agent_id, agentId),
        before === null ? undefined : lt(pullRequests.id, before),
      ),
    )
    .orderBy(desc(pullRequests.id))
    .limit(limit);
}

export async function findPullRequest(tx: Queryable, id: string): Promise<PullRequest | undefined> {
  const [row] = await tx
    .select(shown)
    .from(pullRequests)
    .innerJoin(tasks, eq(tasks.id, pullRequests.task_id))
    .where(eq(pullRequests.id, id));
  return row;
}

export async function findRow(tx: Queryable, id: string): Promise<PullRequestRow | undefined> {
  const [row] = await tx.select().from(pullRequests).where(eq(pullRequests.id, id));
  return row;
}

export async function findOpenOfTask(
  tx: Queryable,
  taskId: string,
): Promise<PullRequestRow | undefined> {
  const [row] = await tx
    .select()
    .from(pullRequests)
    .where(and(eq(pullRequests.task_id, taskId), open));
  return row;
}

export async function insertPullRequest(
  tx: Queryable,
  row: typeof pullRequests.$inferInsert,
): Promise<void> {
  await tx.insert(pullRequests).values(row);
}

/** @param isChange whether something changed that readers see as a change */
export async function updatePullRequest(
  tx: Queryable,
  id: string,
  changes: Partial<typeof pullRequests.$inferInsert>,
  isChange = true,
): Promise<void> {
  const updated_at = isChange ? { updated_at: sql<string>`clock_timestamp()` } : {};
  await tx
    .update(pullRequests)
    .set({ ...changes, ...updated_at })
    .where(eq(pullRequests.id, id));
}

/** The refs and commits of a push of a pull request. */
export interface PushPlace extends Record<string, unknown> {
  import_url: string;
  /** The newest commit of the attempt; null without one. */
  head_commit: string | null;
  /** Whether the project is still linked to the repository of the request. */
  is_linked: boolean;
}

export async function findPlace(tx: Queryable, id: string): Promise<PushPlace | undefined> {
  const { rows } = await tx.execute<PushPlace>(sql`
    select p.import_url, w.head_commit, coalesce(r.forge_id = q.forge_id and r.name = q.repository, false) as is_linked
    from pull_requests q
    join projects p on p.id = q.project_id and p.deleted_at is null
    join task_attempts a on a.id = q.attempt_id
    left join workspaces w on w.agent_id = a.agent_id
    left join project_repositories r on r.project_id = q.project_id
    where q.id = ${id}`);
  return rows[0];
}

/** Returns the words that ended an attempt's last turn; null without any. */
export async function lastWords(tx: Queryable, attemptId: string): Promise<string | null> {
  const { rows } = await tx.execute<{ turn_message: string | null }>(sql`
    select s.turn_message from task_attempts a join agent_sessions s on s.id = a.session_id
    where a.id = ${attemptId}`);
  return rows[0]?.turn_message ?? null;
}

/** Makes a delivery of a change that asking has found, so that what follows from it is decided. */
export async function insertFound(tx: Queryable, id: string): Promise<void> {
  await tx.execute(sql`
    insert into forge_deliveries (id, org_id, forge_id, project_id, delivery_id, source, event, repository, subject,
      number, status)
    select ${newId()}, q.org_id, r.forge_id, q.project_id,
      'poll ' || r.name || ' pull_request ' || q.number || ' ' || wire_time(q.updated_at), 'polling', 'pull_request',
      r.name, jsonb_build_object('kind', 'pull_request', 'number', q.number), q.number, 'pending'
    from pull_requests q
    join project_repositories r on r.project_id = q.project_id and r.forge_id = q.forge_id and r.name = q.repository
    where q.id = ${id} and q.number is not null and q.state in ('open', 'draft')
    on conflict do nothing`);
}

/** Lists the checks that ran here on a commit, the last result of each, by name. */
export async function listChecks(tx: Queryable, projectId: string, commit: string) {
  const { rows } = await tx.execute<{ name: string; status: string }>(sql`
    select distinct on (name) name, status from commit_checks
    where project_id = ${projectId} and commit_sha = ${commit} and status in ('passed', 'failed')
    order by name, id desc`);
  return rows;
}

export interface Watched {
  id: string;
  org_id: string;
  /** Whether a forge that asks to wait is asked again. */
  is_due: boolean;
}

/** Lists a node's requests that are open or whose task is not finished, of the organizations that `db` sees. */
export function listWatched(db: Queryable, nodeId: string): Promise<Watched[]> {
  return db
    .select({
      id: pullRequests.id,
      org_id: pullRequests.org_id,
      is_due: sql<boolean>`${forges.retry_at} is null or ${forges.retry_at} < now()`,
    })
    .from(pullRequests)
    .innerJoin(forges, eq(forges.id, pullRequests.forge_id))
    .where(
      and(
        sql`(${open} or (${pullRequests.state} = 'merged' and ${pullRequests.finished_at} is null))`,
        isHome(nodeId, pullRequests.project_id),
      ),
    )
    .orderBy(pullRequests.id);
}

/** Lists a node's requests of an organization with work that needs no look at the forge: pushes, and ends of tasks. */
export async function listWaiting(tx: Queryable, nodeId: string): Promise<string[]> {
  const { rows } = await tx.execute<{ id: string }>(sql`
    select q.id from pull_requests q
    join tasks t on t.id = q.task_id
    join task_attempts a on a.id = q.attempt_id
    cross join lateral task_attempt_state(a) state
    left join workspaces w on w.agent_id = a.agent_id
    where ${isHome(nodeId, sql`q.project_id`)} and q.forge_id is not null and (
      (q.state = 'merged' and q.finished_at is null)
      or (q.state in ('open', 'draft') and q.auto_update and q.error is null and t.resolution is null
        and state.status not in ('starting', 'working', 'archived')
        and w.head_commit is distinct from q.pushed_sha)
      -- a person has moved the branch, and a fetch has ended since
      or (q.state in ('open', 'draft') and q.pushing_sha = q.pushed_sha and q.head_sha <> q.pushed_sha
        and t.resolution is null and exists (
          select from upstreams u where u.project_id = q.project_id and u.fetched_at > q.checked_at)))`);
  return rows.map(({ id }) => id);
}

/** Whether further commits of its attempt are to be pushed now: its agent does not work. */
export async function isPushDue(tx: Queryable, id: string): Promise<boolean> {
  const { rows } = await tx.execute(sql`
    select from pull_requests q
    join tasks t on t.id = q.task_id and t.resolution is null
    join task_attempts a on a.id = q.attempt_id
    cross join lateral task_attempt_state(a) state
    where q.id = ${id} and q.auto_update and state.status not in ('starting', 'working', 'archived')`);
  return rows.length > 0;
}

/** Finds the attempt of a request, with the newest commit of its workspace. */
export async function findMergedAttempt(tx: Queryable, id: string) {
  const { rows } = await tx.execute<{
    agent_id: string;
    head_commit: string | null;
    is_working: boolean;
  }>(sql`
    select a.agent_id, w.head_commit, state.status in ('starting', 'working') as is_working
    from pull_requests q
    join task_attempts a on a.id = q.attempt_id
    cross join lateral task_attempt_state(a) state
    left join workspaces w on w.agent_id = a.agent_id
    where q.id = ${id}`);
  return rows[0];
}

/** Finishes the task of a merged request. */
export async function finishTask(tx: Queryable, { id, task_id }: PullRequestRow): Promise<void> {
  await tx.execute(sql`
    update tasks set resolution = 'done', finished_at = clock_timestamp(), launch = null
    where id = ${task_id} and resolution is null`);
  await tx.execute(sql`select refresh_task(${task_id})`);
  await updatePullRequest(
    tx,
    id,
    { finished_at: sql`clock_timestamp()` as unknown as string },
    false,
  );
}

/** Whether a fetch of the project ended after the merge was seen, or so long ago that none is waited for. */
export async function hasFetchedSince(tx: Queryable, { id }: PullRequestRow): Promise<boolean> {
  const { rows } = await tx.execute(sql`
    select from pull_requests q left join upstreams u on u.project_id = q.project_id
    where q.id = ${id} and (u.fetched_at > q.merged_at or q.merged_at < now() - interval '10 minutes')`);
  return rows.length > 0;
}

/** Whether a project is linked to a repository of a connection. */
export async function findLink(tx: Queryable, projectId: string) {
  const [row] = await tx
    .select({
      forge_id: projectRepositories.forge_id,
      name: projectRepositories.name,
      branch_template: projectRepositories.branch_template,
      body_template: projectRepositories.body_template,
      project_name: projects.name,
    })
    .from(projectRepositories)
    .innerJoin(projects, eq(projects.id, projectRepositories.project_id))
    .where(eq(projectRepositories.project_id, projectId));
  return row;
}
