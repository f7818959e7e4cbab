import { join } from "node:path";
import { storageIn } from "../../data-folder/storage.js";
import type { Queryable } from "../../db/connection/connect.js";
import type { AuditWriterOf } from "../../db/connection/system-change.js";
import { newId } from "../../db/tables/columns.js";
import { forgetLostLogs } from "../../features/execution/runs/index.js";
import { requestTarget } from "../../features/code/workspaces/queue/merge-requests.js";
import { exists } from "#git/files/atomic-directory.js";
import { layerOf } from "#git/worktree/overlay-driver.js";
import { decideState } from "./decide-state.js";
import * as queries from "./set-back.queries.js";
import type { StoredCommits } from "./stored-commits.js";

/** A workspace that is not as the database had it. */
export interface ChangedWorkspace {
  agent_id: string;
  agent: string;
  branch: string;
  from: string | null;
  to: string | null;
  status_from: string;
  status_to: string;
  /** Its commits that are lost. */
  lost: string[];
}

/** The work of a project that a backup does not contain. */
export interface SetBackReport {
  workspaces: ChangedWorkspace[];
  lost_commits: number;
  lost_merges: { id: string; kind: string; target_branch: string; merge_commit: string }[];
  rejected_requests: { id: string; source_branch: string; target_branch: string }[];
}

interface SetBack {
  org_id: string;
  id: string;
  address: string;
  /** The node that is gone. */
  node: string;
  /** The time of the backup. */
  backupAt: string;
  /** A folder laid out as a data folder, with the files of the project. */
  folder: string;
  stored: StoredCommits;
}

/**
 * Makes the database agree with the older files of a project: workspaces get the newest commits of their branches, and
 * commits and merges that are lost are deleted with what depends on them. The caller's transaction makes them the files
 * of the project.
 */
export async function setBackProject(
  tx: Queryable,
  audit: AuditWriterOf,
  project: SetBack,
): Promise<SetBackReport> {
  const { stored, org_id, id, backupAt } = project;
  const has = (sha: string): boolean => stored.has(sha);
  const commits = (await queries.listCommits(tx, id)).filter((row) => !has(row.commit_sha));
  const merges = await listLostMerges(tx, id, has);
  const workspaces = await setBackWorkspaces(tx, audit, project, commits);
  await queries.deleteLost(
    tx,
    commits.map((row) => row.id),
    merges.map((row) => row.id),
  );
  await queries.deleteArchives(tx, id, has);
  const requests = await rejectRequests(tx, audit, project, new Set(merges.map((row) => row.id)));
  await queries.forgetLost(tx, id, has);
  await forgetLostLogs(tx, storageIn(project.folder), id);
  const done = merges.filter(({ state }) => state === "done");
  audit(org_id, {
    action: "project.set_back",
    target: { type: "project", id, name: project.address },
    changes: {
      backup_created_at: { from: null, to: backupAt },
      lost_commits: { from: commits.map((row) => row.commit_sha), to: [] },
      lost_merges: { from: done.map((row) => row.id), to: [] },
    },
  });
  return {
    workspaces,
    lost_commits: commits.length,
    lost_merges: done.map(({ id, kind, target_branch, merge_commit }) => ({
      id,
      kind,
      target_branch,
      merge_commit,
    })),
    rejected_requests: requests,
  };
}

/** Lists the merges without their commits, and what undoes or restores them. */
async function listLostMerges(
  tx: Queryable,
  projectId: string,
  has: (sha: string) => boolean,
): Promise<queries.MergeRow[]> {
  const lost = new Set<string>();
  const rows = await queries.listMerges(tx, projectId);
  return rows.filter(({ id, of_merge, needed }) => {
    const isLost = !needed.every((sha) => has(sha)) || lost.has(of_merge ?? "");
    if (isLost) lost.add(id);
    return isLost;
  });
}

async function setBackWorkspaces(
  tx: Queryable,
  audit: AuditWriterOf,
  project: SetBack,
  lostCommits: readonly queries.CommitRow[],
): Promise<ChangedWorkspace[]> {
  const changed: ChangedWorkspace[] = [];
  for (const workspace of await queries.listWorkspaces(tx, project.id)) {
    const { agent_id, agent_name, branch_name, head_commit, status } = workspace;
    const lost = lostCommits.flatMap((row) => (row.agent_id === agent_id ? row.commit_sha : []));
    const after = await setBackWorkspace(tx, project, workspace);
    const { status: status_to, head_commit: to } = after;
    if (status === status_to && head_commit === to && lost.length === 0) continue;
    const change: ChangedWorkspace = {
      agent_id,
      agent: agent_name,
      branch: branch_name,
      from: head_commit,
      to,
      status_from: status,
      status_to,
      lost,
    };
    changed.push(change);
    audit(project.org_id, {
      action: "workspace.set_back",
      target: { type: "workspace", id: agent_id, name: branch_name },
      changes: {
        backup_created_at: { from: null, to: project.backupAt },
        ...(head_commit !== to && { head_commit: { from: head_commit, to } }),
        ...(status !== status_to && { status: { from: status, to: status_to } }),
        ...(lost.length > 0 && { lost_commits: { from: lost, to: [] } }),
      },
    });
  }
  return changed;
}

/** Gives one workspace the state that its files allow, and returns it. */
async function setBackWorkspace(
  tx: Queryable,
  { org_id, id, node, backupAt, folder, stored }: SetBack,
  workspace: queries.WorkspaceState,
): Promise<Pick<queries.WorkspaceState, "status" | "head_commit">> {
  const { agent_id, agent_name, status, head_commit, parent_commit } = workspace;
  const storage = storageIn(folder);
  const hasOverlay = (await layerOf(join(storage.overlay(org_id, agent_id)))) !== null;
  const hasFolder = hasOverlay || (await exists(storage.workspace(org_id, agent_name)));
  const decided = await decideState(workspace, stored, hasFolder);
  const isOverlay = workspace.folder_driver !== "checkout";
  const folder_driver =
    hasOverlay === isOverlay ? workspace.folder_driver : hasOverlay ? "overlay" : "checkout";
  const known = (sha: string | null): string | null =>
    sha !== null && stored.has(sha) ? sha : null;
  const store = async (
    state: Pick<queries.WorkspaceState, "status" | "head_commit" | "archive_id">,
    error: string | null,
  ) => {
    const { head_commit: head } = state;
    const head_tree = head === null ? null : await stored.treeOf(head);
    await queries.updateWorkspace(tx, agent_id, {
      ...state,
      head_tree,
      // A workspace that was created again since begins where its earlier one was.
      parent_commit: head === null ? null : (known(parent_commit) ?? head),
      folder_driver,
      error,
    });
    return state;
  };
  if (decided.status === "kept") {
    const isUnchanged =
      folder_driver === workspace.folder_driver &&
      [head_commit, parent_commit].every((sha) => sha === null || stored.has(sha));
    if (isUnchanged) return workspace;
    const archive_id = workspace.archive_id;
    return store({ status, head_commit: known(head_commit), archive_id }, workspace.error);
  }
  if (decided.status === "failed") {
    return store(
      { status: "failed", head_commit: null, archive_id: null },
      `The server ${node} is gone, and its backup of ${backupAt} does not contain the workspace; create it again.`,
    );
  }
  const { tip } = decided;
  if (decided.status === "active") {
    return store({ status: "active", head_commit: tip, archive_id: null }, null);
  }
  const archive_id = decided.archiveId ?? newId();
  await queries.putArchive(tx, { id: archive_id, org_id, project_id: id, agent_id, tip });
  return store({ status: decided.status, head_commit: tip, archive_id }, null);
}

/** Ends the queued merges of lost commits and merges, and says of lost merges that they did not land. */
async function rejectRequests(
  tx: Queryable,
  audit: AuditWriterOf,
  { org_id, id: projectId, node, backupAt, stored }: SetBack,
  lostMerges: ReadonlySet<string>,
): Promise<SetBackReport["rejected_requests"]> {
  const rejected: SetBackReport["rejected_requests"] = [];
  const isLost = (sha: string | null): boolean => sha !== null && !stored.has(sha);
  const states = new Map(
    (await queries.listWorkspaces(tx, projectId)).map(({ agent_id, status }) => [agent_id, status]),
  );
  for (const request of await queries.listRequests(tx, projectId)) {
    const { id, source_branch, target_branch, is_open } = request;
    const isWithoutWork =
      isLost(request.source_commit) ||
      isLost(request.decided_target) ||
      lostMerges.has(request.of_merge ?? "") ||
      (request.kind === "merge" && states.get(request.agent_id) !== "active");
    const isMergeLost = lostMerges.has(request.merge_id ?? "");
    if (is_open ? isWithoutWork : isMergeLost) {
      const what = is_open ? "The work to merge" : "The merge";
      const reason = `${what} was lost with the server ${node}; its backup is of ${backupAt}.`;
      await queries.rejectRequest(tx, id, reason);
      const changes = { reason: { from: null, to: reason } };
      const target = requestTarget(request);
      audit(org_id, { action: "merge_request.rejected", target, changes });
      rejected.push({ id, source_branch, target_branch });
    } else if (is_open && (isMergeLost || isLost(request.candidate_commit))) {
      await queries.forgetCandidate(tx, id);
    }
  }
  return rejected;
}
