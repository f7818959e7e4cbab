import type { Logger } from "pino";
import type { TaskChanges } from "#shared/api/work/tasks.js";
import type { Diff } from "#shared/api/code/commits.js";
import type { MergeStrategy } from "#shared/api/code/merges.js";
import type { Workspace } from "#shared/api/code/workspaces.js";
import { diffFields } from "../../../db/audit/audit.js";
import type { Database, Queryable } from "../../../db/connection/connect.js";
import { notFound } from "../../../errors.js";
import { changeBetween } from "#git/diff/change-between.js";
import { diffFiles, rawDiff } from "#git/diff/diff.js";
import { mergeBase, resolveCommit } from "#git/store/repository.js";
import type { OrgContext } from "../../../http/requests/request-context.js";
import { finishArchiving, finishRestoring } from "./archives/archive-workspace.js";
import { activeUnderLock, recoverCommit } from "./commits/commit-workspace.js";
import { finishWorkspace } from "./create-workspace.js";
import { recoverPush } from "./pushes/recover-pushes.js";
import { recoverMerge } from "./merges/apply-merge.js";
import * as commits from "./commits/commits.queries.js";
import * as pushes from "./pushes/pushes.queries.js";
import { measureHome, removeHome } from "./homes.js";
import * as queries from "./workspaces.queries.js";
import { requireMergeTarget, visibleBranches } from "./visible-branches.js";
import {
  auditedFields,
  auditTarget,
  branchRef,
  hasFolder,
  placesOf,
  readWorkspace,
  requireWorkspace,
  snapshotOf,
  workspaceLock,
  type WorkspaceDeps,
} from "./workspace.js";
import * as archives from "./archives/archives.queries.js";

/**
 * Returns the project of an agent's workspace.
 * @throws AppError 404 `workspace_missing`; 410
 */
export async function projectOfWorkspace(tx: Queryable, agentId: string): Promise<string> {
  return (await requireWorkspace(tx, agentId)).project_id;
}

/** Returns the agent whose workspace currently has the branch. */
export function agentOfBranch(
  db: Database,
  orgId: string,
  projectId: string,
  branch: string,
): Promise<string | undefined> {
  return db.tenant(orgId, (tx) => pushes.findAgentOfBranch(tx, projectId, branch));
}

/**
 * Changes the given settings and the base branch.
 * @throws AppError 422 for an unknown base branch
 */
export async function updateWorkspace(
  deps: WorkspaceDeps,
  context: OrgContext,
  agentId: string,
  body: {
    base_branch?: string | undefined;
    settings?:
      | {
          merge_strategy?: MergeStrategy | undefined;
          auto_checkpoint?: boolean | undefined;
          checkpoint_interval_minutes?: number | null | undefined;
          retention_days?: number | undefined;
        }
      | undefined;
  },
): Promise<Workspace> {
  const { base_branch, settings } = body;
  const { workspace, visible } = await context.tx(async (tx) => {
    const found = await requireWorkspace(tx, agentId);
    return {
      workspace: found,
      visible: await visibleBranches(tx, context.actor, found.project_id),
    };
  });
  if (base_branch !== undefined) {
    const { repoPath } = placesOf(deps, workspace);
    await requireMergeTarget("base_branch", base_branch, repoPath, visible);
  }
  const changes = Object.fromEntries(
    Object.entries({ base_branch, ...settings }).filter(([, value]) => value !== undefined),
  );
  await context.change(async (tx, audit) => {
    const before = await requireWorkspace(tx, agentId);
    if (Object.keys(changes).length > 0) await queries.updateWorkspace(tx, agentId, changes);
    const after = await requireWorkspace(tx, agentId);
    const changed = diffFields(before, after, auditedFields);
    if (Object.keys(changed).length > 0) {
      audit({ action: "workspace.updated", target: auditTarget(after), changes: changed });
    }
  });
  return readWorkspace(deps, context, agentId);
}

/** Returns the workspace's changes since its merge base with the base branch, committed or not. */
export function readChanges(
  deps: WorkspaceDeps,
  context: OrgContext,
  agentId: string,
): Promise<Diff> {
  return deps.db.locks(context.orgId, [workspaceLock(agentId)], async () => {
    const workspace = await activeUnderLock(deps, context.orgId, agentId);
    const places = placesOf(deps, workspace);
    const snapshot = await snapshotOf(deps, workspace);
    const base = await resolveCommit(places.repoPath, branchRef(workspace.base_branch));
    const from =
      base === null ? null : await mergeBase(places.repoPath, base, workspace.head_commit);
    return diffFiles(places.repoPath, from ?? workspace.parent_commit, snapshot.tree, {
      patch: true,
    });
  });
}

/**
 * Returns the changes of a workspace's commit.
 * @throws AppError 404 for another workspace's commit
 */
export async function readDiff(
  deps: WorkspaceDeps,
  context: OrgContext,
  agentId: string,
  sha: string,
): Promise<Diff> {
  const { repoPath, parent } = await commitPlaces(deps, context, agentId, sha);
  return diffFiles(repoPath, parent, sha, { patch: true });
}

/** As `readDiff`, as `text/x-diff`. */
export async function readRawDiff(
  deps: WorkspaceDeps,
  context: OrgContext,
  agentId: string,
  sha: string,
) {
  const { repoPath, parent } = await commitPlaces(deps, context, agentId, sha);
  return rawDiff(repoPath, parent, sha);
}

async function commitPlaces(
  deps: WorkspaceDeps,
  context: OrgContext,
  agentId: string,
  sha: string,
): Promise<{ repoPath: string; parent: string }> {
  return context.tx(async (tx) => {
    const workspace = await requireWorkspace(tx, agentId);
    const found = await commits.findCommit(tx, agentId, sha);
    if (!found) throw notFound();
    return { repoPath: placesOf(deps, workspace).repoPath, parent: found.parent_sha };
  });
}

/** Finishes or undoes what an earlier process of this node left in between. */
export async function recoverWorkspaces(deps: WorkspaceDeps, log: Logger): Promise<void> {
  const unfinished = await deps.db.withSystem("recover unfinished workspaces", async (db) => ({
    ...(await queries.listUnfinished(db, deps.db.node.id)),
    pushes: await pushes.listPendingPushes(db, deps.db.node.id),
  }));
  const recover = async (what: string, work: () => Promise<void>): Promise<void> => {
    try {
      await work();
    } catch (error) {
      log.error({ err: error }, `${what} could not be recovered; the next start tries again`);
    }
  };
  for (const { org_id, agent_id, commit_sha } of unfinished.commits) {
    await recover("a commit", () => recoverCommit(deps, org_id, agent_id, commit_sha));
  }
  for (const { org_id, id } of unfinished.merges) {
    await recover("a merge", () => recoverMerge(deps, org_id, id));
  }
  for (const { org_id, id } of unfinished.pushes) {
    await recover("a push", () => recoverPush(deps, org_id, id));
  }
  for (const { org_id, agent_id, status } of unfinished.workspaces) {
    const finish = { creating: finishWorkspace, archiving: finishArchiving }[status as "creating"];
    await recover("a workspace", () => (finish ?? finishRestoring)(deps, org_id, agent_id));
  }
}

/** Counts what the newest commit of a workspace changes in its base branch; null without one. */
export async function measureBranch(
  deps: WorkspaceDeps,
  orgId: string,
  agentId: string,
): Promise<TaskChanges | null> {
  const workspace = await deps.db.tenant(orgId, (tx) => queries.findWorkspace(tx, agentId));
  if (workspace?.head_commit == null) return null;
  const { repoPath } = placesOf(deps, workspace);
  const base = await resolveCommit(repoPath, branchRef(workspace.base_branch));
  if (base === null) return null;
  const fork = await mergeBase(repoPath, base, workspace.head_commit);
  // A person who opens the change finds it read.
  const { stats } = await changeBetween(repoPath, fork, workspace.head_commit);
  return { files: stats.files_changed, added: stats.additions, removed: stats.deletions };
}

/** Returns the bytes on disk of the agent's folder and home alone; null without a folder. */
export async function measureFolder(
  deps: WorkspaceDeps,
  orgId: string,
  agentId: string,
): Promise<number | null> {
  const workspace = await deps.db.tenant(orgId, (tx) => queries.findWorkspace(tx, agentId));
  if (workspace?.status !== "active" || !hasFolder(workspace)) return null;
  const folder = await deps.driver.measure(placesOf(deps, workspace));
  return folder + (await measureHome(deps, [orgId, agentId]));
}

/** Removes the folders of a deleted project, each after its current operation has ended. */
export async function removeWorkspacesOf(
  deps: WorkspaceDeps,
  orgId: string,
  projectId: string,
): Promise<void> {
  const agentIds = await deps.db.tenant(orgId, (tx) =>
    queries.listWorkspacesToRemove(tx, projectId),
  );
  for (const agentId of agentIds) {
    await deps.db.locks(orgId, [workspaceLock(agentId)], async () => {
      const workspace = await deps.db.tenant(orgId, (tx) => queries.findWorkspace(tx, agentId));
      if (!workspace || workspace.status === "expired") return;
      // An archived workspace has no folder; the path may belong to another agent of the same name.
      if (workspace.status !== "archived") await deps.driver.remove(placesOf(deps, workspace));
      await removeHome(deps, [orgId, agentId]);
      await deps.db.tenant(orgId, async (tx) => {
        await queries.updateWorkspace(tx, agentId, { status: "expired", archive_id: null });
        await archives.deleteArchivesOf(tx, agentId);
      });
    });
  }
}
