import { sql } from "drizzle-orm";
import type { ForgeKind } from "#shared/api/work/forges.js";
import type { Queryable } from "../../../../db/connection/connect.js";

/** A project's repository on a forge. */
export interface Place extends Record<string, unknown> {
  org_id: string;
  project_id: string;
  forge_id: string;
  kind: ForgeKind;
  repository: string;
  linked_at: string;
  /** The highest number of an issue that was there when the project was linked; null until that was read. */
  first_issues: number | null;
  /** The name that mentions of the connection have: the App's, or the login of the token. */
  bot_name: string | null;
}

/** Finds the repository of a project, as it is linked now. */
export async function findPlace(tx: Queryable, projectId: string): Promise<Place | undefined> {
  const { rows } = await tx.execute<Place>(sql`
    select r.org_id, r.project_id, r.forge_id, f.kind, r.name as repository, wire_time(r.linked_at) as linked_at,
      r.first_issues, coalesce(f.bot_name, case f.auth when 'token' then f.account end) as bot_name
    from project_repositories r
    join forges f on f.id = r.forge_id
    join projects p on p.id = r.project_id and p.deleted_at is null
    where r.project_id = ${projectId}`);
  return rows[0];
}

/** A task of an issue or a pull request. */
export interface TaskThere extends Record<string, unknown> {
  id: string;
  number: number;
}

/** Finds the newest task of an issue that is not finished. */
export async function findOpenTaskOfIssue(
  tx: Queryable,
  projectId: string,
  number: number,
): Promise<TaskThere | undefined> {
  const { rows } = await tx.execute<TaskThere>(sql`
    select t.id, t.number from task_issues i join tasks t on t.id = i.task_id and not t.is_undone
    where i.project_id = ${projectId} and i.number = ${number} and t.resolution is null
    order by i.created_at desc limit 1`);
  return rows[0];
}

/** A pull request of a task, by its number there. */
export interface RequestThere extends Record<string, unknown> {
  id: string;
  number: number;
  task_id: string;
  task_number: number;
}

/** Finds the pull request of a task by its number on the forge. */
export async function findRequest(
  tx: Queryable,
  projectId: string,
  number: number,
): Promise<RequestThere | undefined> {
  const { rows } = await tx.execute<RequestThere>(sql`
    select q.id, q.number, q.task_id, t.number as task_number
    from pull_requests q join tasks t on t.id = q.task_id
    where q.project_id = ${projectId} and q.number = ${number}
    order by q.id desc limit 1`);
  return rows[0];
}

/** Lists the open pull requests of a project whose newest commit or branch is named. */
export async function listRequestsAt(
  tx: Queryable,
  projectId: string,
  at: { sha: string } | { branch: string },
): Promise<RequestThere[]> {
  const condition =
    "sha" in at
      ? sql`${at.sha} in (q.head_sha, q.pushed_sha, q.pushing_sha)`
      : sql`q.head = ${at.branch}`;
  const { rows } = await tx.execute<RequestThere>(sql`
    select q.id, q.number, q.task_id, t.number as task_number
    from pull_requests q join tasks t on t.id = q.task_id
    where q.project_id = ${projectId} and q.number is not null and q.state in ('open', 'draft') and ${condition}`);
  return rows;
}

/** Records the issue that a task comes from, which gets a comment with its state. */
export async function linkTask(
  tx: Queryable,
  place: Place,
  taskId: string,
  issue: { number: number; url: string },
): Promise<void> {
  const { org_id, project_id, forge_id, repository } = place;
  await tx.execute(sql`
    insert into task_issues (task_id, org_id, project_id, forge_id, repository, number, url)
    values (${taskId}, ${org_id}, ${project_id}, ${forge_id}, ${repository}, ${issue.number}, ${issue.url})
    on conflict do nothing`);
  await tx.execute(sql`
    update tasks set source = jsonb_build_object('kind', 'forge_issue', 'url', ${issue.url}::text,
      'id', source ->> 'id'), updated_at = clock_timestamp()
    where id = ${taskId} and source ->> 'kind' is distinct from 'forge_issue'`);
}
