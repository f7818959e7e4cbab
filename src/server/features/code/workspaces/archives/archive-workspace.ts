import { systemOrigin, type Origin, type AuditWriter } from "../../../../db/audit/audit.js";
import type { Queryable } from "../../../../db/connection/connect.js";
import { isNoSpace } from "#shared/node/no-space.js";
import { AppError } from "../../../../errors.js";
import { FolderMissingError, assertFolder } from "#git/worktree/worktree-driver.js";
import { resolveCommit } from "#git/store/repository.js";
import { deleteRef, updateRefs, type RefUpdate } from "#git/store/refs.js";
import type { OrgContext } from "../../../../http/requests/request-context.js";
import { endManagedRuns, waitForEnd } from "../../../execution/run-ends/index.js";
import * as archives from "./archives.queries.js";
import { activeUnderLock, commitUnderLock } from "../commits/commit-workspace.js";
import { environmentOfNew } from "../attach-environment.js";
import { removeHome } from "../homes.js";
import { removeExport } from "../run-repository/export-branches.js";
import * as queries from "../workspaces.queries.js";
import {
  branchRef,
  hasFolder,
  placesOf,
  requireWorkspace,
  withFolderErrors,
  workspaceLock,
  type WorkspaceDeps,
} from "../workspace.js";

/**
 * The ref that keeps an archived workspace's commits reachable. It is not a branch, so the branch name
 * is free.
 */
export const archiveRef = (agentId: string, archiveId: string): string =>
  `refs/archive/${agentId}/${archiveId}`;

export const targetOf = ({ agent_id, branch_name }: queries.WorkspaceRow) =>
  ({ type: "workspace", id: agent_id, name: branch_name }) as const;

/**
 * Archives the workspace: stops its command, commits uncommitted changes, moves the branch to a hidden
 * ref and removes the folder and the home. Archiving is recorded first, so a restart completes it. Idempotent; a
 * failed workspace has nothing to archive.
 * @throws AppError 404, 409 `agent_running`, `run_in_progress`, `workspace_not_active`, 410, 422 naming
 * a path
 */
export async function archiveWorkspace(
  deps: WorkspaceDeps,
  context: OrgContext,
  agentId: string,
): Promise<void> {
  await endCommands(deps, context, agentId);
  await deps.db.locks(context.orgId, [workspaceLock(agentId)], async () => {
    // Checked again: stopping the command and waiting for the lock took time.
    const found = await context.write((tx) => requireWorkspace(tx, agentId));
    if (found.status === "archived") return;
    if (found.status === "archiving") return finishUnderLock(deps, context.orgId, agentId);
    if (found.status === "failed") return discardUnderLock(deps, found);
    await context.tx((tx) => refuseRunning(tx, agentId));
    await archiveUnderLock(deps, context.orgId, agentId, async (record) => {
      await context.change(async (tx, audit) => {
        await refuseRunning(tx, agentId);
        await record(tx, audit);
      });
    });
  });
}

/** Stops the managed run of an active workspace; a leased run must be stopped by its owner. */
async function endCommands(
  deps: WorkspaceDeps,
  context: OrgContext,
  agentId: string,
): Promise<void> {
  await context.change(async (tx) => {
    const { status } = await requireWorkspace(tx, agentId);
    if (status === "active") await endManagedRuns(tx, { agentId }, "Its workspace was archived.");
  });
  await waitForEnd(deps.db, context.orgId, { agentId });
}

async function refuseRunning(
  tx: Parameters<typeof archives.isRunning>[0],
  agentId: string,
): Promise<void> {
  if (!(await archives.isRunning(tx, agentId))) return;
  throw new AppError("agent_running", "The agent is running in it; stop its run first.");
}

/** Archives an active workspace under its lock. `change` may still reject it. */
async function archiveUnderLock(
  deps: WorkspaceDeps,
  orgId: string,
  agentId: string,
  change: (work: (tx: Queryable, audit: AuditWriter) => Promise<void>) => Promise<void>,
): Promise<void> {
  await saveUnderLock(deps, orgId, agentId);
  const workspace = await activeUnderLock(deps, orgId, agentId);
  await change(async (tx, audit) => {
    await archives.beginArchiving(tx, workspace);
    audit({ action: "workspace.archived", target: targetOf(workspace) });
  });
  await finishUnderLock(deps, orgId, agentId);
}

/** Commits uncommitted changes regardless of the settings; a missing folder has none. */
async function saveUnderLock(deps: WorkspaceDeps, orgId: string, agentId: string): Promise<void> {
  const workspace = await activeUnderLock(deps, orgId, agentId);
  const places = placesOf(deps, workspace);
  try {
    await withFolderErrors(() => places.open());
    await assertFolder(places.folder);
  } catch (error) {
    if (error instanceof FolderMissingError) return;
    throw error;
  }
  await commitUnderLock(deps, workspace, { commit_type: "checkpoint" });
}

/**
 * Commits the uncommitted changes of an agent about to be terminated.
 * @throws AppError 422 naming a path
 */
export async function saveWorkspace(
  deps: WorkspaceDeps,
  orgId: string,
  agentId: string,
): Promise<void> {
  await deps.db.locks(orgId, [workspaceLock(agentId)], async () => {
    const workspace = await deps.db.tenant(orgId, (tx) => queries.findWorkspace(tx, agentId));
    if (workspace?.status === "active") await saveUnderLock(deps, orgId, agentId);
  });
}

/** Archives a terminated agent's workspace in any state; idempotent. */
export async function archiveTerminated(
  deps: WorkspaceDeps,
  orgId: string,
  agentId: string,
  origin: Origin,
): Promise<void> {
  await finishRestoring(deps, orgId, agentId);
  await deps.db.locks(orgId, [workspaceLock(agentId)], async () => {
    const workspace = await deps.db.tenant(orgId, (tx) => queries.findWorkspace(tx, agentId));
    if (!workspace) return;
    if (workspace.status === "archiving") return finishUnderLock(deps, orgId, agentId);
    // Creating holds the lock, so it is not running now.
    if (["creating", "failed"].includes(workspace.status)) return discardUnderLock(deps, workspace);
    if (workspace.status !== "active") return;
    await archiveUnderLock(deps, orgId, agentId, (work) => deps.db.change(orgId, origin, work));
  });
}

/**
 * Archives a workspace whose work was merged on a forge. Its sessions end; one that runs elsewhere keeps it.
 * @throws AppError 409 `run_in_progress`; 422 naming a path
 */
export async function archiveMerged(
  deps: WorkspaceDeps,
  orgId: string,
  agentId: string,
): Promise<void> {
  const { db } = deps;
  const isActive = await db.change(orgId, systemOrigin, async (tx) => {
    const workspace = await queries.findWorkspace(tx, agentId);
    if (workspace?.status !== "active") return workspace?.status === "archiving";
    await endManagedRuns(tx, { agentId }, "Its work was merged on the forge.");
    return true;
  });
  if (!isActive) return;
  await waitForEnd(db, orgId, { agentId });
  if (await db.tenant(orgId, (tx) => archives.isRunning(tx, agentId))) return;
  await archiveTerminated(deps, orgId, agentId, systemOrigin);
}

/** Removes the remains of a workspace that was never complete and has no commits. */
async function discardUnderLock(
  deps: WorkspaceDeps,
  workspace: queries.WorkspaceRow,
): Promise<void> {
  const places = placesOf(deps, workspace);
  const branch = branchRef(workspace.branch_name);
  const tip = await resolveCommit(places.repoPath, branch);
  if (tip !== null) await deleteRef(places.repoPath, branch, tip);
  await deps.driver.remove(places);
  await removeHome(deps, [workspace.org_id, workspace.agent_id]);
  await removeExport(deps, workspace);
  await deps.db.tenant(workspace.org_id, (tx) =>
    queries.updateWorkspace(tx, workspace.agent_id, { status: "expired", error: null }),
  );
}

/** Completes a recorded archiving from any point of interruption. */
export async function finishArchiving(
  deps: WorkspaceDeps,
  orgId: string,
  agentId: string,
): Promise<void> {
  await deps.db.locks(orgId, [workspaceLock(agentId)], () => finishUnderLock(deps, orgId, agentId));
}

async function finishUnderLock(deps: WorkspaceDeps, orgId: string, agentId: string): Promise<void> {
  const found = await findWithArchive(deps, orgId, agentId);
  if (found?.workspace.status !== "archiving") return;
  const { workspace, archive } = found;
  const places = placesOf(deps, workspace);
  await moveRef(places.repoPath, archive.tip, {
    from: branchRef(workspace.branch_name),
    to: archiveRef(agentId, archive.id),
  });
  await deps.driver.remove(places);
  await removeHome(deps, [orgId, agentId]);
  await removeExport(deps, workspace);
  await deps.db.tenant(orgId, (tx) => queries.updateWorkspace(tx, agentId, { status: "archived" }));
}

async function findWithArchive(deps: WorkspaceDeps, orgId: string, agentId: string) {
  return deps.db.tenant(orgId, async (tx) => {
    const workspace = await queries.findWorkspace(tx, agentId);
    const id = workspace?.archive_id ?? null;
    const archive = id === null ? undefined : await archives.findArchive(tx, id);
    return workspace && archive && { workspace, archive };
  });
}

/** Atomically replaces the ref `from` by `to`; idempotent. */
async function moveRef(
  repoPath: string,
  tip: string,
  { from, to }: { from: string; to: string },
): Promise<void> {
  const updates: RefUpdate[] = [];
  if ((await resolveCommit(repoPath, to)) !== tip) {
    updates.push({ ref: to, newSha: tip, expectedOld: null });
  }
  if ((await resolveCommit(repoPath, from)) !== null) {
    updates.push({ ref: from, newSha: null, expectedOld: tip });
  }
  if (updates.length > 0) await updateRefs(repoPath, updates);
}

/**
 * Restores an archived workspace: its branch and a folder with the same files, except ignored ones.
 * @throws AppError 404, 409 `agent_terminated`, `workspace_not_archived`, 410 `workspace_expired`
 */
export async function restoreWorkspace(
  deps: WorkspaceDeps,
  context: OrgContext,
  agentId: string,
): Promise<void> {
  await context.change(async (tx) => {
    if (!(await archives.isAlive(tx, agentId))) throw agentTerminated();
    const { status } = await requireWorkspace(tx, agentId);
    if (await archives.beginRestoring(tx, agentId)) return;
    throw new AppError(
      "workspace_not_archived",
      status === "restoring" || status === "archiving"
        ? "The workspace is already being created or restored; check again in a moment."
        : `The workspace is ${status}; there is nothing to restore.`,
    );
  });
  await finishRestoring(deps, context.orgId, agentId, context);
}

export function agentTerminated(): AppError {
  return new AppError("agent_terminated", "The agent is terminated; create another one.");
}

/**
 * Completes a recorded restore from any point of interruption. If the folder cannot be created, the
 * workspace is archived again.
 */
export async function finishRestoring(
  deps: WorkspaceDeps,
  orgId: string,
  agentId: string,
  origin: Origin = systemOrigin,
): Promise<void> {
  await deps.db.locks(orgId, [workspaceLock(agentId)], async () => {
    const found = await findWithArchive(deps, orgId, agentId);
    if (found?.workspace.status !== "restoring") return;
    const { workspace, archive } = found;
    const places = placesOf(deps, workspace);
    const branch = branchRef(workspace.branch_name);
    const hidden = archiveRef(agentId, archive.id);
    const restored: Parameters<typeof queries.updateWorkspace>[2] = {
      status: "active",
      archive_id: null,
    };
    try {
      await moveRef(places.repoPath, archive.tip, { from: hidden, to: branch });
      if (hasFolder(workspace)) {
        restored.folder_driver = await deps.driver.create({ ...places, commit: archive.tip });
        Object.assign(restored, await environmentOfNew(deps, workspace));
      }
    } catch (error) {
      await deps.driver.remove(places);
      await moveRef(places.repoPath, archive.tip, { from: branch, to: hidden });
      const reason = isNoSpace(error)
        ? "The server's disk is full; free some space, and restore the workspace again."
        : "The folder could not be created; the operator can find the cause in the server's log.";
      await deps.db.tenant(orgId, (tx) =>
        queries.updateWorkspace(tx, agentId, { status: "archived", error: reason }),
      );
      throw error;
    }
    await deps.db.change(orgId, origin, async (tx, audit) => {
      await queries.updateWorkspace(tx, agentId, restored);
      await archives.deleteArchive(tx, archive.id);
      audit({ action: "workspace.restored", target: targetOf(workspace) });
    });
  });
}
