import type { Commit } from "#shared/api/code/commits.js";
import { systemOrigin } from "../../../../db/audit/audit.js";
import type { QueryConfig } from "pg";
import { statementOf, type Queryable } from "../../../../db/connection/connect.js";
import { AppError, workspaceBusy } from "../../../../errors.js";
import { diffStats, type DiffStats } from "#git/diff/diff.js";
import type { SkippedPath, Snapshot } from "#git/snapshot/snapshot.js";
import { writeObject } from "#git/objects/loose-object.js";
import { TokenScan, type FoundToken } from "#git/objects/token-scan.js";
import { commitObject, isAncestor, resolveCommit } from "#git/store/repository.js";
import { RefMovedError, startRefUpdates, type RefUpdates } from "#git/store/refs.js";
import type { AuthorizedWrites } from "../../../../access/current-access.js";
import type { OrgContext } from "../../../../http/requests/request-context.js";
import { publish, secondsSince } from "#shared/node/measurements.js";
import { clearCheckpointError } from "./checkpoints.queries.js";
import * as commits from "./commits.queries.js";
import { inForeground } from "../foreground.js";
import { recoverPushUnderLock } from "../pushes/recover-pushes.js";
import { recoverSync } from "../merges/syncs/recover-sync.js";
import * as merges from "../merges/merges.queries.js";
import * as pushes from "../pushes/pushes.queries.js";
import { reconcileBranch } from "../reconcile-branch.js";
import * as queries from "../workspaces.queries.js";
import {
  branchRef,
  hasFolder,
  placesOf,
  requireActive,
  snapshotOf,
  workspaceLock,
  type ActiveWorkspace,
  type WorkspaceDeps,
} from "../workspace.js";

export interface CommitRequest {
  commit_type: Exclude<Commit["commit_type"], "merge">;
  iteration?: number | undefined;
  message?: string | undefined;
}

/** The commit; null when nothing had changed. */
export interface CommitResult {
  commit: Commit | null;
  skipped: SkippedPath[];
}

/**
 * Commits the content of the agent's folder to its branch. If nothing has changed, returns the newest
 * commit, not `created`.
 * @throws AppError 409, for a remote workspace `workspace_remote`; 422 naming a path
 */
export function commitWorkspace(
  deps: WorkspaceDeps,
  context: OrgContext,
  agentId: string,
  request: CommitRequest,
): Promise<Commit & { created: boolean; skipped: SkippedPath[] }> {
  const work = async () => {
    const workspace = await activeUnderLock(deps, context.orgId, agentId);
    if (!hasFolder(workspace)) {
      throw new AppError(
        "workspace_remote",
        `The workspace has no folder here; push to its branch ${workspace.branch_name} instead.`,
      );
    }
    const { commit, skipped } = await commitUnderLock(deps, workspace, request, context.write);
    const newest = commit ?? (await newestCommit(deps, workspace));
    return { ...newest, created: commit !== null, skipped };
  };
  return inForeground(() => deps.db.locks(context.orgId, [workspaceLock(agentId)], work));
}

/**
 * Like `commitWorkspace`, under the workspace's lock. The row is written as pending, the branch moves
 * by compare-and-swap, and the row is recorded. After a crash, a pending row is recovered by whether
 * the branch contains the commit.
 * @param write re-authorizes the caller when the row is written; without it the server commits by
 * itself
 */
export async function commitUnderLock(
  deps: WorkspaceDeps,
  workspace: ActiveWorkspace,
  request: CommitRequest,
  write: AuthorizedWrites["write"] | null = null,
): Promise<CommitResult> {
  const { repoPath } = placesOf(deps, workspace);
  const start = performance.now();
  const started: { updates?: RefUpdates } = {};
  const begin = (): RefUpdates => (started.updates ??= startRefUpdates(repoPath));
  try {
    const result = await repeated(() => commitThrough(deps, workspace, request, begin, write));
    if (workspace.checkpoint_error !== null) {
      const { org_id, agent_id } = workspace;
      await deps.db.tenant(org_id, (tx) => clearCheckpointError(tx, agent_id));
    }
    if (result.commit) publish("checkpoint", { seconds: secondsSince(start) });
    return result;
  } catch (error) {
    // The lock ends with its connection to the database, so that another commit may have begun.
    if (error instanceof RefMovedError)
      throw workspaceBusy("The branch was changed at the same time");
    throw error;
  } finally {
    started.updates?.cancel();
  }
}

/** `begin` starts the process that moves the branch; it is called early, and again for its use. */
async function commitThrough(
  deps: WorkspaceDeps,
  workspace: ActiveWorkspace,
  request: CommitRequest,
  begin: () => RefUpdates,
  write: AuthorizedWrites["write"] | null,
): Promise<CommitResult> {
  const { db } = deps;
  const { org_id: orgId, agent_id: agentId, head_commit: head } = workspace;
  const { repoPath } = placesOf(deps, workspace);
  const { keyPrefix } = deps.leaks;
  const { taking, found } = await takeSnapshot(deps, workspace, { onChanges: begin, keyPrefix });
  try {
    if (!found.changed) return { commit: null, skipped: found.skipped };
    const { object, pending } = await describeCommit(deps, workspace, request, found);
    const { commit_sha: sha } = pending;
    const reserve = async (tx: Queryable, last: QueryConfig[]): Promise<void> => {
      last.push(statementOf(commits.insertingPendingCommit(tx, pending)));
    };
    await (write
      ? write((tx, _access, _read, last) => reserve(tx, last))
      : db.write(orgId, (tx, _first, last) => reserve(tx, last)));
    let taken: Snapshot;
    try {
      taken = await taking;
      if (taken.tree !== found.tree) throw new FolderChangedError();
      await writeObject(repoPath, object);
      const ref = branchRef(workspace.branch_name);
      await begin().finish([{ ref, newSha: sha, expectedOld: head }]);
    } catch (error) {
      await db.tenant(orgId, (tx) => commits.deletePendingCommit(tx, agentId, sha));
      throw error;
    }
    const stats = taken.stats ?? (await diffStats(repoPath, head, found.tree));
    const commit = await db.tenant(orgId, (tx) => commits.recordCommit(tx, workspace, sha, stats));
    return { commit, skipped: taken.skipped };
  } finally {
    // The folder is read until then.
    await taking.catch(() => undefined);
  }
}

/** The folder had another content when a snapshot was repeated after a failure. */
class FolderChangedError extends Error {
  override readonly name = "FolderChangedError";
}

const ATTEMPTS = 3;

/** @throws AppError 409 `workspace_busy` when the folder changes in each attempt */
async function repeated<Result>(work: () => Promise<Result>): Promise<Result> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof FolderChangedError)) throw error;
      if (attempt === ATTEMPTS) throw workspaceBusy("The folder changes while it is read");
    }
  }
}

/** Returns the commit of a snapshot, and its row, whose size is counted when it is recorded. */
async function describeCommit(
  { db, leaks }: WorkspaceDeps,
  workspace: ActiveWorkspace,
  request: CommitRequest,
  { tree, tokens }: Snapshot,
) {
  const { org_id, agent_id, head_commit: head, agent_name: name } = workspace;
  const { commit_type } = request;
  const iteration =
    commit_type === "validation"
      ? (request.iteration ??
        (await db.tenant(org_id, (tx) => commits.nextIteration(tx, agent_id))))
      : (request.iteration ?? null);
  const message = request.message ?? defaultMessage(name, commit_type, iteration);
  const scan = new TokenScan(leaks.keyPrefix);
  scan.start("the commit's message")(Buffer.from(message));
  await rejectLeakedKeys(leaks, workspace, [...tokens, ...scan.found]);
  const object = commitObject({
    tree,
    parents: [head],
    message,
    author: { name, email: `${agent_id}@agents.omoi` },
    date: new Date(),
  });
  const size = { files_changed: 0, additions: 0, deletions: 0 };
  const shas = { commit_sha: object.oid, parent_sha: head, tree_sha: tree };
  return {
    object,
    pending: { org_id, agent_id, ...shas, commit_type, iteration, message, ...size },
  };
}

/**
 * Takes a snapshot. Returns its result as soon as that is known, and the snapshot itself, which
 * resolves when all objects are written, and may have another result.
 */
async function takeSnapshot(
  deps: WorkspaceDeps,
  workspace: ActiveWorkspace,
  further: Parameters<typeof snapshotOf>[2],
): Promise<{ taking: Promise<Snapshot>; found: Snapshot }> {
  let onTree: (found: Snapshot) => void = () => {};
  const known = new Promise<Snapshot>((resolve) => {
    onTree = resolve;
  });
  const taking = snapshotOf(deps, workspace, { ...further, onTree });
  return { taking, found: await Promise.race([known, taking]) };
}

/** @throws AppError 422 `leaked_key` when one of the keys is active */
async function rejectLeakedKeys(
  leaks: WorkspaceDeps["leaks"],
  { branch_name: branch }: ActiveWorkspace,
  found: readonly FoundToken[],
): Promise<void> {
  const leak = await leaks.findActive(found, { origin: systemOrigin, branch });
  if (!leak) return;
  const { path, line } = leak;
  throw new AppError(
    "leaked_key",
    `${JSON.stringify(path)}, line ${line}, contains an active API key; revoke the key, or remove it and commit again.`,
    { path, line },
  );
}

/** Returns the default commit message. */
export function defaultMessage(
  agent: string,
  type: CommitRequest["commit_type"],
  iteration: number | null,
): string {
  switch (type) {
    case "checkpoint":
      return `[Agent ${agent}] Checkpoint`;
    case "validation":
      return `[Agent ${agent}] Iteration ${iteration}`;
    case "final":
      return `[Agent ${agent}] Final`;
    case "manual":
      return `[Agent ${agent}] Commit`;
  }
}

/** Returns the newest commit, or the starting point of a workspace without own commits. */
async function newestCommit(deps: WorkspaceDeps, workspace: ActiveWorkspace): Promise<Commit> {
  const [newest] = await deps.db.tenant(workspace.org_id, (tx) =>
    commits.listCommits(tx, workspace.agent_id, { after: null, limit: 1 }),
  );
  if (newest) {
    const { id: _id, ...commit } = newest;
    return commit;
  }
  return {
    commit_sha: workspace.head_commit,
    commit_type: "checkpoint",
    iteration: null,
    files_changed: 0,
    additions: 0,
    deletions: 0,
    message: `The starting point of ${workspace.branch_name}`,
    created_at: workspace.created_at,
  };
}

/**
 * Returns the active workspace, for the holder of its lock. A pending commit was interrupted and is
 * recovered first.
 * @throws AppError 404, 409
 */
export async function activeUnderLock(
  deps: WorkspaceDeps,
  orgId: string,
  agentId: string,
): Promise<ActiveWorkspace> {
  for (;;) {
    const workspace = await deps.db.read(orgId, (tx) => requireActive(tx, agentId));
    const [sha] = workspace.pending_commits;
    if (sha !== undefined) await recoverUnderLock(deps, workspace, sha);
    else if (!(await reconcileBranch(deps, workspace))) return workspace;
  }
}

/** Recovers an interrupted commit: it is recorded if the branch contains it, and otherwise deleted. */
export async function recoverCommit(
  deps: WorkspaceDeps,
  orgId: string,
  agentId: string,
  sha: string,
): Promise<void> {
  await deps.db.locks(orgId, [workspaceLock(agentId)], async () => {
    const workspace = await deps.db.tenant(orgId, (tx) => queries.findWorkspace(tx, agentId));
    // Another process may have recovered it meanwhile.
    if (workspace?.pending_commits.includes(sha)) await recoverUnderLock(deps, workspace, sha);
  });
}

async function recoverUnderLock(
  deps: WorkspaceDeps,
  workspace: queries.WorkspaceRow,
  sha: string,
): Promise<void> {
  const { repoPath } = placesOf(deps, workspace);
  const push = await deps.db.tenant(workspace.org_id, (tx) =>
    pushes.findPendingPushTo(tx, workspace.agent_id),
  );
  if (push) return recoverPushUnderLock(deps, push);
  const tip = await resolveCommit(repoPath, branchRef(workspace.branch_name));
  const exists = (await resolveCommit(repoPath, sha)) !== null;
  // Git cannot be asked while the branch has not moved: a kill may have left a commit without its parents.
  const isMoved = tip !== null && tip !== workspace.head_commit;
  const held = isMoved && exists && (await isAncestor(repoPath, sha, tip));
  const { org_id, agent_id, pending_commits } = workspace;
  // The commits of a run's repository became reachable together.
  if (held && pending_commits.length > 1 && pending_commits.includes(tip)) {
    await deps.db.tenant(org_id, (tx) => pushes.recordPushedCommits(tx, agent_id, tip));
    return;
  }
  const sync = await deps.db.tenant(org_id, (tx) => merges.findPendingSync(tx, agent_id, sha));
  if (held && sync) {
    await recoverSync(deps, workspace, sync);
    return;
  }
  const stats = held ? await sizeOf(deps, workspace, sha) : null;
  await deps.db.tenant(org_id, async (tx) => {
    if (held) await commits.recordCommit(tx, workspace, sha, stats);
    else await commits.deletePendingCommit(tx, agent_id, sha);
    if (sync) await merges.deletePendingMerge(tx, sync.id);
  });
}

/** Counts a pending commit; null if that fails, which must not keep the workspace unusable. */
async function sizeOf(
  deps: WorkspaceDeps,
  workspace: queries.WorkspaceRow,
  sha: string,
): Promise<DiffStats | null> {
  const { org_id, agent_id } = workspace;
  const parent = await deps.db.tenant(org_id, (tx) => commits.findParent(tx, agent_id, sha));
  if (parent === undefined) return null;
  return diffStats(placesOf(deps, workspace).repoPath, parent, sha).catch(() => null);
}
