/** Taking a push: each reference moves once, from where the client saw it, and what follows is recorded. */
import { originOf, type Origin } from "../../../db/audit/audit.js";
import { newId } from "../../../db/tables/columns.js";
import { AppError, notFound } from "../../../errors.js";
import { commitsOnLine, type LineCommit } from "#git/diff/diff.js";
import type { Quarantine } from "#git/smart-http/quarantine.js";
import { resolveObject } from "#git/store/repository.js";
import { RefMovedError, updateRefs } from "#git/store/refs.js";
import { GitError } from "#git/process/run.js";
import type { JudgedWrites } from "../../../access/current-access.js";
import { activeUnderLock } from "../commits/commit-workspace.js";
import { receiveCommits } from "../commits/received-commits.queries.js";
import { recoverPushes, forgetPushes, lockOf, recoverPushUnderLock } from "./recover-pushes.js";
import * as pushes from "./pushes.queries.js";
import type { PendingPush } from "./pushes.queries.js";
import * as queries from "../workspaces.queries.js";
import { hasFolder, snapshotOf, type WorkspaceDeps } from "../workspace.js";

/** A reference that may be moved as far as its own rules go: a new one, or a branch that moves forward. */
export interface PushedRef {
  ref: string;
  from: string | null;
  to: string;
  /** Whose workspace's branch it is; null for other branches and tags. */
  agentId: string | null;
}

export interface Push {
  orgId: string;
  projectId: string;
  origin: Origin;
  /** Judges the caller anew when the push begins. */
  write: JudgedWrites["write"];
  refs: readonly PushedRef[];
  /** The commits that the store did not have, parents first. */
  commits: readonly string[];
  /** All references or none. */
  atomic: boolean;
  /** Where the objects are. */
  quarantine: Quarantine;
}

/** How many commits of its own one push may bring to a workspace. */
const maxLine = 1000;
const withAnother = "not updated because another ref of this atomic push was rejected";
const movedMeanwhile = "the branch has changed; fetch, merge or rebase, and push again";

/**
 * Takes a push into the store: rows are written as pending, the objects are moved in, the references
 * move by compare-and-swap, folders follow, the rows are recorded. Who works on a workspace or moves a
 * branch waits meanwhile. Answers why references were refused, by name; the others have moved.
 */
export async function applyPush(deps: WorkspaceDeps, push: Push): Promise<Map<string, string>> {
  const refusals = new Map<string, string>();
  const journal = push.refs.map((pushed): PendingPush & { line: LineCommit[] } => ({
    id: newId(),
    org_id: push.orgId,
    project_id: push.projectId,
    agent_id: pushed.agentId,
    ref: pushed.ref,
    old_sha: pushed.from,
    new_sha: pushed.to,
    origin: originOf(push.origin),
    line: [],
  }));
  await deps.db.locks(push.orgId, journal.map(lockOf), async () => {
    for (const entry of journal) {
      const refusal = await refusalNow(deps, push, entry);
      if (refusal !== null) refusals.set(entry.ref, refusal);
    }
    const isRefused = ({ ref }: PendingPush): boolean => refusals.has(ref);
    if (push.atomic) refuseRest(refusals, push.refs);
    const accepted = journal.filter((entry) => !isRefused(entry));
    if (accepted.length === 0) return;
    try {
      await begin(deps, push, accepted);
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      for (const { ref } of accepted) refusals.set(ref, error.message);
      return;
    }
    const moved = await moveRefs(deps, push, accepted, refusals);
    await recoverPushes(deps, push.orgId, push.origin, moved);
  });
  return refusals;
}

function refuseRest(refusals: Map<string, string>, refs: readonly { ref: string }[]): void {
  if (refusals.size === 0) return;
  for (const { ref } of refs) if (!refusals.has(ref)) refusals.set(ref, withAnother);
}

/** Why a reference cannot be moved as things are, or null. Fills in what comes to a workspace. */
async function refusalNow(
  deps: WorkspaceDeps,
  { orgId, projectId, quarantine }: Push,
  entry: PendingPush & { line: LineCommit[] },
): Promise<string | null> {
  const repoPath = deps.storage.repository(orgId, projectId);
  if (entry.agent_id === null) {
    // Whether the name is free shows when it is taken.
    if (entry.old_sha === null) return null;
    return (await resolveObject(repoPath, entry.ref)) === entry.old_sha ? null : movedMeanwhile;
  }
  try {
    const workspace = await activeUnderLock(deps, orgId, entry.agent_id);
    if (workspace.head_commit !== entry.old_sha) return movedMeanwhile;
    if (hasFolder(workspace)) {
      if (await deps.db.tenant(orgId, (tx) => queries.hasManagedRun(tx, workspace.agent_id))) {
        return "a command runs in the workspace; stop it, or wait";
      }
      if ((await snapshotOf(deps, workspace)).changed) {
        return "the workspace's folder has unsaved changes; commit them first, then fetch, merge and push again";
      }
    }
    entry.line = await commitsOnLine(
      quarantine.path,
      workspace.head_commit,
      entry.new_sha,
      maxLine + 1,
    );
    return entry.line.length > maxLine
      ? `a push may bring at most ${maxLine} commits to a workspace; push fewer, or squash them`
      : null;
  } catch (error) {
    if (error instanceof AppError) return error.message;
    throw error;
  }
}

/** Writes what is about to happen, then moves the objects in. @throws AppError 401, 403, 404, 409 */
async function begin(
  deps: WorkspaceDeps,
  { orgId, projectId, write, commits, quarantine }: Push,
  accepted: readonly (PendingPush & { line: LineCommit[] })[],
): Promise<void> {
  await write(async (tx) => {
    if (!(await pushes.isLivingProject(tx, projectId))) throw notFound();
    await pushes.insertPendingPushes(
      tx,
      accepted.map(({ line: _line, ...entry }) => entry),
    );
    for (const { agent_id, line } of accepted) {
      if (agent_id !== null)
        await pushes.insertPushedCommits(tx, { org_id: orgId, agent_id }, line);
    }
    await receiveCommits(tx, { org_id: orgId, project_id: projectId }, commits);
  });
  try {
    await quarantine.migrate();
  } catch (error) {
    await forgetPushes(deps.db, orgId, accepted);
    throw error;
  }
}

/** Moves the references, all at once where nothing is in the way; answers those that moved. */
async function moveRefs(
  deps: WorkspaceDeps,
  { orgId, projectId, refs, atomic }: Push,
  accepted: readonly PendingPush[],
  refusals: Map<string, string>,
): Promise<PendingPush[]> {
  const repoPath = deps.storage.repository(orgId, projectId);
  let rest = [...accepted];
  while (rest.length > 0) {
    try {
      await updateRefs(
        repoPath,
        rest.map(({ ref, old_sha, new_sha }) => ({ ref, newSha: new_sha, expectedOld: old_sha })),
      );
      return rest;
    } catch (error) {
      const hindered = hindranceOf(error, rest);
      if (hindered === null) {
        // How far git came is not known: each reference is looked at.
        for (const entry of rest) await recoverPushUnderLock(deps, entry);
        throw error;
      }
      const unmoved = atomic ? rest : [hindered.entry];
      await forgetPushes(deps.db, orgId, unmoved);
      refusals.set(hindered.entry.ref, hindered.refusal);
      if (atomic) refuseRest(refusals, refs);
      rest = rest.filter((entry) => !unmoved.includes(entry));
    }
  }
  return rest;
}

/** Which reference could not be moved, and why; null where that is nobody's doing. */
function hindranceOf<Entry extends { ref: string }>(
  error: unknown,
  entries: readonly Entry[],
): { entry: Entry; refusal: string } | null {
  if (error instanceof RefMovedError) {
    const entry = entries.find(({ ref }) => ref === error.ref);
    return entry ? { entry, refusal: movedMeanwhile } : null;
  }
  if (!(error instanceof GitError) || error.reason !== "exit") return null;
  // refs/heads/a is a file where refs/heads/a/b needs a folder.
  if (!/exists; cannot create|cannot process .* at the same time/.test(error.stderr)) return null;
  const entry = entries.find(({ ref }) => error.stderr.includes(`'${ref}'`));
  return entry
    ? { entry, refusal: "its name begins or continues that of another; choose another name" }
    : null;
}
