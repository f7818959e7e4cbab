/** Rows that name commits of a project. All statements require a connection that sees all organizations. */
import { sql } from "drizzle-orm";
import type { Queryable } from "../../db/connection/connect.js";
import type { mergeRequests, workspaces } from "../../db/tables/workspace-tables.js";

/** A workspace with the columns that depend on its repository and folder. */
export type WorkspaceState = Pick<
  typeof workspaces.$inferSelect,
  | "agent_id"
  | "branch_name"
  | "workspace_type"
  | "status"
  | "head_commit"
  | "parent_commit"
  | "folder_driver"
  | "archive_id"
  | "error"
> & { agent_name: string; is_terminated: boolean; archive_tip: string | null };

export async function listWorkspaces(tx: Queryable, projectId: string): Promise<WorkspaceState[]> {
  const { rows } = await tx.execute<WorkspaceState>(sql`
    select w.agent_id, a.name as agent_name, a.terminated_at is not null as is_terminated,
      w.branch_name, w.workspace_type, w.status, w.head_commit, w.parent_commit, w.folder_driver,
      w.archive_id, r.tip as archive_tip, w.error
    from workspaces w join agents a on a.id = w.agent_id left join archives r on r.id = w.archive_id
    where w.project_id = ${projectId} order by a.name, w.agent_id`);
  return rows;
}

/** A commit of a workspace that is recorded, or was about to be. */
export interface CommitRow extends Record<string, unknown> {
  id: string;
  agent_id: string;
  commit_sha: string;
}

export async function listCommits(tx: Queryable, projectId: string): Promise<CommitRow[]> {
  const { rows } = await tx.execute<CommitRow>(sql`
    select c.id, c.agent_id, c.commit_sha from workspace_commits c
    join agents a on a.id = c.agent_id
    where a.project_id = ${projectId} order by c.created_at, c.id`);
  return rows;
}

/** A merge, a sync, a revert or a restore, with the commits that it needs. */
export interface MergeRow extends Record<string, unknown> {
  id: string;
  kind: string;
  state: "pending" | "done";
  of_merge: string | null;
  target_branch: string;
  merge_commit: string;
  needed: string[];
}

export async function listMerges(tx: Queryable, projectId: string): Promise<MergeRow[]> {
  const { rows } = await tx.execute<MergeRow>(sql`
    select id, kind, state, of_merge, target_branch, merge_commit,
      array_remove(array[source_commit, target_commit, base_commit, merge_commit], null) as needed
    from merges where project_id = ${projectId} order by created_at, id`);
  return rows;
}

/** Lists the commits that the database knew at a time. */
export async function listCommitsBefore(
  tx: Queryable,
  projectId: string,
  time: string,
): Promise<string[]> {
  const { rows } = await tx.execute<{ sha: string }>(sql`
    select c.commit_sha as sha from workspace_commits c join agents a on a.id = c.agent_id
      where a.project_id = ${projectId} and c.created_at < ${time}::timestamptz
    union select unnest(array[source_commit, target_commit, base_commit, merge_commit]) from merges
      where project_id = ${projectId} and created_at < ${time}::timestamptz`);
  return rows.flatMap(({ sha }) => sha ?? []);
}

const listOf = (values: readonly string[]) => sql.param([...values]);

/** Deletes commits, and merges with what names them. */
export async function deleteLost(
  tx: Queryable,
  commitIds: readonly string[],
  mergeIds: readonly string[],
): Promise<void> {
  await tx.execute(sql`delete from workspace_commits where id = any(${listOf(commitIds)}::uuid[])`);
  await tx.execute(sql`delete from merges where id = any(${listOf(mergeIds)}::uuid[])`);
  await tx.execute(sql`
    update merges set reverted_by = null where reverted_by = any(${listOf(mergeIds)}::uuid[])`);
}

/** Changes the columns of a workspace that depend on its repository and folder. */
export async function updateWorkspace(
  tx: Queryable,
  agentId: string,
  state: Pick<
    WorkspaceState,
    "status" | "head_commit" | "parent_commit" | "folder_driver" | "archive_id" | "error"
  > & { head_tree: string | null },
): Promise<void> {
  await tx.execute(sql`
    update workspaces set status = ${state.status}, error = ${state.error},
      head_commit = ${state.head_commit}, head_tree = ${state.head_tree},
      parent_commit = ${state.parent_commit}, folder_driver = ${state.folder_driver},
      archive_id = ${state.archive_id}, updated_at = now()
    where agent_id = ${agentId}`);
}

export async function putArchive(
  tx: Queryable,
  archive: { id: string; org_id: string; project_id: string; agent_id: string; tip: string },
): Promise<void> {
  const { id, org_id, project_id, agent_id, tip } = archive;
  await tx.execute(sql`
    insert into archives (id, org_id, project_id, agent_id, tip)
    values (${id}, ${org_id}, ${project_id}, ${agent_id}, ${tip})
    on conflict (id) do update set tip = excluded.tip`);
}

/** Deletes the archives of a project whose commits are lost. */
export async function deleteArchives(
  tx: Queryable,
  projectId: string,
  has: (sha: string) => boolean,
): Promise<void> {
  const { rows } = await tx.execute<{ id: string; tip: string }>(
    sql`select id, tip from archives where project_id = ${projectId}`,
  );
  const lost = rows.flatMap(({ id, tip }) => (has(tip) ? [] : id));
  await tx.execute(sql`delete from archives where id = any(${listOf(lost)}::uuid[])`);
}

/** A queued merge, or one that landed. */
export type RequestRow = Pick<
  typeof mergeRequests.$inferSelect,
  | "id"
  | "agent_id"
  | "kind"
  | "of_merge"
  | "merge_id"
  | "source_branch"
  | "target_branch"
  | "source_commit"
  | "candidate_commit"
> & { decided_target: string | null; is_open: boolean };

export async function listRequests(tx: Queryable, projectId: string): Promise<RequestRow[]> {
  const { rows } = await tx.execute<RequestRow>(sql`
    select id, agent_id, kind, of_merge, merge_id, source_branch, target_branch, source_commit,
      candidate_commit, request ->> 'decided_target' as decided_target, ended_at is null as is_open
    from merge_requests where project_id = ${projectId}
      and (ended_at is null or status = 'merged') order by id`);
  return rows;
}

export async function rejectRequest(tx: Queryable, id: string, reason: string): Promise<void> {
  await tx.execute(sql`
    update merge_requests set status = 'rejected', reason = ${reason}, merge_id = null,
      ended_at = coalesce(ended_at, clock_timestamp())
    where id = ${id}`);
}

/** Lets the queue compute the result of an open request again. */
export async function forgetCandidate(tx: Queryable, id: string): Promise<void> {
  await tx.execute(sql`
    update merge_requests set status = 'queued', candidate_commit = null, merge_id = null
    where id = ${id} and ended_at is null`);
}

/** Ends and clears what else refers to lost commits, and forgets what is computed again. */
export async function forgetLost(
  tx: Queryable,
  projectId: string,
  has: (sha: string) => boolean,
): Promise<void> {
  const { rows } = await tx.execute<{ kind: string; id: string; shas: string[] }>(sql`
    select 'check' as kind, id, array[commit_sha] as shas from commit_checks
      where project_id = ${projectId} and ended_at is null
    union all select 'build', id, array[commit_sha] from environment_builds
      where project_id = ${projectId} and ended_at is null
    union all select 'push', id, array_remove(array[old_sha, new_sha], null) from pending_pushes
      where project_id = ${projectId}
    union all select 'checkpoint', r.id, array[r.checkpoint_sha] from runs r
      join agents a on a.id = r.agent_id
      where a.project_id = ${projectId} and r.checkpoint_sha is not null
    union all select 'tip', r.id, array[r.repository_tip] from runs r
      join agents a on a.id = r.agent_id
      where a.project_id = ${projectId} and r.repository_tip is not null
    union all select 'taking', r.id,
        array[r.repository_taking ->> 'tip', r.repository_taking ->> 'to'] from runs r
      join agents a on a.id = r.agent_id
      where a.project_id = ${projectId} and r.repository_taking is not null
    union all select 'upstream', project_id, array[act #>> '{push,commit}'] from upstreams
      where project_id = ${projectId} and act #>> '{push,commit}' is not null`);
  const lost = (kind: string) =>
    listOf(
      rows.flatMap((row) =>
        row.kind === kind && !row.shas.every((sha) => has(sha)) ? row.id : [],
      ),
    );
  await tx.execute(sql`
    update commit_checks set status = 'cancelled', ended_at = clock_timestamp()
    where id = any(${lost("check")}::uuid[])`);
  await tx.execute(sql`
    update environment_builds set status = 'cancelled', layer_bytes = null,
      detail = 'Its commit was lost with a server.', ended_at = clock_timestamp()
    where id = any(${lost("build")}::uuid[])`);
  await tx.execute(sql`delete from pending_pushes where id = any(${lost("push")}::uuid[])`);
  await tx.execute(sql`
    update runs set checkpoint_sha = null, checkpoint_error = 'Its commit was lost with a server.'
    where id = any(${lost("checkpoint")}::uuid[])`);
  await tx.execute(sql`
    update runs set repository_tip = null where id = any(${lost("tip")}::uuid[])`);
  await tx.execute(sql`
    update runs set repository_taking = null where id = any(${lost("taking")}::uuid[])`);
  await tx.execute(sql`
    update upstreams set act = null, status = 'idle', progress = 0
    where project_id = any(${lost("upstream")}::uuid[])`);
  // A backup has no layers of environments: workspaces choose again before their next run.
  await tx.execute(sql`
    update environment_builds set layer_bytes = null
    where project_id = ${projectId} and layer_bytes is not null`);
  await tx.execute(sql`
    update workspaces set environment_state = null, environment_build_id = null
    where project_id = ${projectId} and environment_build_id is not null`);
  await tx.execute(sql`delete from radar_scans where project_id = ${projectId}`);
  await tx.execute(sql`delete from radar_pairs where project_id = ${projectId}`);
}
