import { systemOrigin } from "../../../../db/audit/audit.js";
import {
  commitParents,
  commitsBetween,
  isAncestor,
  mergeBase,
  resolveCommit,
} from "#git/store/repository.js";
import { readHistory } from "#git/store/history.js";
import { findWorkspace } from "../workspaces.queries.js";
import { branchLock, branchRef, workspaceLock, type WorkspaceDeps } from "../workspace.js";
import { insertForgeMerge } from "./merges.queries.js";
import { recordMerge } from "./record-merge.js";

/** A merge of a workspace's commits that a forge has made. */
export interface ForgeMerge {
  /** Id of the merge to be, so that it is recorded once. */
  id: string;
  org_id: string;
  project_id: string;
  agent_id: string;
  /** The commit of the workspace that was merged. */
  source_commit: string;
  target_branch: string;
  /** The commit of the forge: of a merge or a squash, or the last one of a rebase. */
  merge_commit: string;
  subject: string;
}

/**
 * Records a merge that a forge has made, once its commit was fetched into the target branch. Returns false if it was not, or
 * if the workspace is gone.
 */
export async function recordForgeMerge(
  { db, storage }: Pick<WorkspaceDeps, "db" | "storage">,
  merge: ForgeMerge,
): Promise<boolean> {
  const { org_id: orgId, project_id, agent_id, source_commit, target_branch, merge_commit } = merge;
  const repoPath = storage.repository(orgId, project_id);
  const keys = [workspaceLock(agent_id), branchLock(project_id, target_branch)];
  return db.locks(orgId, keys, async () => {
    const workspace = await db.tenant(orgId, (tx) => findWorkspace(tx, agent_id));
    if (!workspace) return false;
    const tip = await resolveCommit(repoPath, branchRef(target_branch));
    for (const commit of [source_commit, merge_commit]) {
      if ((await resolveCommit(repoPath, commit)) === null) return false;
    }
    if (tip === null || !(await isAncestor(repoPath, merge_commit, tip))) return false;
    const row = {
      ...merge,
      kind: "merge" as const,
      of_merge: null,
      source_branch: workspace.branch_name,
      target_commit: await targetBefore(repoPath, source_commit, merge_commit),
      base_commit: null,
      subject: merge.subject.slice(0, 255),
      strategy: "manual" as const,
      status: "clean" as const,
      resolutions: [],
      decisions: null,
      drivers: null,
      driver_files: [],
      origin: systemOrigin,
    };
    await db.change(orgId, systemOrigin, async (tx, audit) => {
      if (await insertForgeMerge(tx, row)) await recordMerge(tx, audit, row);
    });
    return true;
  });
}

/** Maximum number of rebased commits that are followed. */
const MAX_REBASED = 1000;

/**
 * Returns the commit of the target branch before the merge, to which a revert goes back. A rebase has as many commits as the
 * branch, and the last one keeps its subject; a squash has one.
 */
async function targetBefore(repoPath: string, source: string, made: string): Promise<string> {
  const [parent, ...others] = await commitParents(repoPath, made);
  if (parent === undefined) return made;
  if (others.length > 0) return parent;
  const base = await mergeBase(repoPath, source, parent);
  const commits = base === null ? [] : await commitsBetween(repoPath, source, [base]);
  if (commits.length < 2 || commits.length > MAX_REBASED) return parent;
  const history = await readHistory(repoPath, [made], commits.length);
  const [[last], [ours]] = [history, await readHistory(repoPath, [source], 1)];
  if (last?.subject !== ours?.subject) return parent;
  return history.at(-1)?.parents[0] ?? parent;
}
