/** Completes a push after its refs have moved: the folders, the rows and the audit event. */
import type { Database, Queryable } from "../../../../db/connection/connect.js";
import { systemOrigin, type Origin, type AuditWriter } from "../../../../db/audit/audit.js";
import { isAncestor, resolveCommit, resolveObject } from "#git/store/repository.js";
import { updateFolder } from "../update-folder.js";
import * as pushes from "./pushes.queries.js";
import type { PendingPush } from "./pushes.queries.js";
import * as queries from "../workspaces.queries.js";
import {
  branchLock,
  hasFolder,
  placesOf,
  workspaceLock,
  type WorkspaceDeps,
} from "../workspace.js";

/**
 * Updates folders and rows to moved refs, from any point of interruption. The caller holds their locks.
 */
export async function recoverPushes(
  deps: WorkspaceDeps,
  orgId: string,
  origin: Origin,
  moved: readonly PendingPush[],
): Promise<void> {
  for (const { agent_id, old_sha, new_sha } of moved) {
    if (agent_id === null || old_sha === null) continue;
    const workspace = await deps.db.tenant(orgId, (tx) => queries.findWorkspace(tx, agent_id));
    if (workspace && hasFolder(workspace)) {
      const places = { ...placesOf(deps, workspace), owner: workspace.org_id };
      await updateFolder(places, old_sha, new_sha);
    }
  }
  await deps.db.change(orgId, origin, (tx, audit) => recordPushes(tx, audit, origin, moved));
}

/**
 * Records moved refs. A user's push gets an audit event; an agent's push has no event, since its commits are recorded.
 */
async function recordPushes(
  tx: Queryable,
  audit: AuditWriter,
  { actor }: Origin,
  moved: readonly PendingPush[],
): Promise<void> {
  const [first] = moved;
  if (first === undefined) return;
  for (const { agent_id, new_sha } of moved) {
    if (agent_id !== null) await pushes.recordPushedCommits(tx, agent_id, new_sha);
  }
  await pushes.deletePendingPushes(
    tx,
    moved.map(({ id }) => id),
  );
  if (actor?.agent) return;
  const name = await pushes.findProjectName(tx, first.project_id);
  audit({
    action: "project.pushed",
    target: { type: "project", id: first.project_id, name },
    changes: Object.fromEntries(
      moved.map(({ ref, old_sha, new_sha }) => [ref, { from: old_sha, to: new_sha }]),
    ),
  });
}

/** Deletes pushes whose refs did not move. The receive times of their commits stay valid. */
export async function deletePushes(
  db: Pick<Database, "tenant">,
  orgId: string,
  unmoved: readonly PendingPush[],
): Promise<void> {
  if (unmoved.length === 0) return;
  await db.tenant(orgId, async (tx) => {
    for (const { agent_id } of unmoved) {
      if (agent_id !== null) await pushes.deletePushedCommits(tx, agent_id);
    }
    await pushes.deletePendingPushes(
      tx,
      unmoved.map(({ id }) => id),
    );
  });
}

/** Recovers an interrupted push: it is recorded if the ref contains its commit, and otherwise deleted. */
export async function recoverPush(deps: WorkspaceDeps, orgId: string, id: string): Promise<void> {
  const read = () => deps.db.tenant(orgId, (tx) => pushes.findPendingPush(tx, id));
  const found = await read();
  if (!found) return;
  await deps.db.locks(orgId, [lockOf(found)], async () => {
    // Another process may have recovered it meanwhile.
    const push = await read();
    if (push) await recoverPushUnderLock(deps, push);
  });
}

/** Like `recoverPush`, for the holder of the ref's lock. */
export async function recoverPushUnderLock(deps: WorkspaceDeps, push: PendingPush): Promise<void> {
  const repoPath = deps.storage.repository(push.org_id, push.project_id);
  if (await isHeld(repoPath, push)) {
    await recoverPushes(deps, push.org_id, push.origin ?? systemOrigin, [push]);
  } else {
    await deletePushes(deps.db, push.org_id, [push]);
  }
}

/** Returns the lock of a ref update. */
export function lockOf({
  agent_id,
  project_id,
  ref,
  old_sha,
}: Omit<PendingPush, "origin">): string {
  if (agent_id !== null) return workspaceLock(agent_id);
  // New refs of a project share one lock: no other operation uses them yet.
  if (old_sha === null) return `new references ${project_id}`;
  return branchLock(project_id, ref.replace(/^refs\/heads\//, ""));
}

async function isHeld(repoPath: string, { ref, new_sha }: PendingPush): Promise<boolean> {
  if ((await resolveObject(repoPath, ref)) === new_sha) return true;
  const [tip, pushed] = [
    await resolveCommit(repoPath, ref),
    await resolveCommit(repoPath, new_sha),
  ];
  return tip !== null && pushed !== null && isAncestor(repoPath, pushed, tip);
}
