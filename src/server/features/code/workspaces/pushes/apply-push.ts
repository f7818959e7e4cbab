/** Applies a push: each ref moves once from its expected commit, and the result is recorded. */
import {
  branchNameProblem,
  isAsStrict,
  needsQueue,
  protectionOf,
} from "#shared/code/protection.js";
import { allows } from "../../../../access/access.js";
import { originOf, type Origin } from "../../../../db/audit/audit.js";
import { newId } from "../../../../db/tables/columns.js";
import { AppError, notFound } from "../../../../errors.js";
import { branchesContaining } from "#git/store/branches.js";
import { commitsOnLine, type LineCommit } from "#git/diff/diff.js";
import type { Quarantine } from "#git/smart-http/quarantine.js";
import { resolveObject } from "#git/store/repository.js";
import { RefMovedError, updateRefs } from "#git/store/refs.js";
import { GitError } from "#git/process/run.js";
import type { AuthorizedWrites } from "../../../../access/current-access.js";
import { activeUnderLock } from "../commits/commit-workspace.js";
import { receiveCommits } from "../commits/received-commits.queries.js";
import { recoverPushes, deletePushes, lockOf, recoverPushUnderLock } from "./recover-pushes.js";
import * as pushes from "./pushes.queries.js";
import type { PendingPush } from "./pushes.queries.js";
import {
  requireBranchName,
  requirementsOf,
  requireUnprotected,
} from "../branch-rules/protection.js";
import { readProtectedBranches } from "../branch-rules/protection.queries.js";
import * as queries from "../workspaces.queries.js";
import { hasFolder, snapshotOf, type WorkspaceDeps } from "../workspace.js";

/** A ref update within the ref's own rules: a new ref, or a fast-forward. */
export interface PushedRef {
  ref: string;
  from: string | null;
  to: string;
  /** The agent of a workspace's branch; null for other branches and tags. */
  agentId: string | null;
}

export interface Push {
  orgId: string;
  projectId: string;
  origin: Origin;
  /** Re-authorizes the caller when the push begins. */
  write: AuthorizedWrites["write"];
  refs: readonly PushedRef[];
  /** Commits new to the store, parents first. */
  commits: readonly string[];
  /** Whether to apply all updates or none. */
  atomic: boolean;
  /** The pushed objects. */
  quarantine: Pick<Quarantine, "path" | "migrate">;
}

/** Maximum number of new commits per push to a workspace. */
const maxLine = 1000;
const withAnother = "not updated because another ref of this atomic push was rejected";
const movedMeanwhile = "the branch has changed; fetch, merge or rebase, and push again";

/**
 * Applies a push: rows are written as pending, objects move into the store, refs move by
 * compare-and-swap, folders follow, and the rows are recorded. Other operations on the workspaces and
 * branches wait. Returns the reasons of rejected refs by name; the others have moved.
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
      const refusal = await rejectionReason(deps, push, entry);
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

/** Returns why a ref cannot move now, or null. Fills in the new commits of a workspace. */
async function rejectionReason(
  deps: WorkspaceDeps,
  push: Push,
  entry: PendingPush & { line: LineCommit[] },
): Promise<string | null> {
  const { orgId, projectId, quarantine } = push;
  const repoPath = deps.storage.repository(orgId, projectId);
  if (entry.agent_id === null) {
    const refusal = await protectionRefusal(deps, push, entry);
    if (refusal !== null) return refusal;
    // A name conflict shows when the ref is created.
    if (entry.old_sha === null) return null;
    return (await resolveObject(repoPath, entry.ref)) === entry.old_sha ? null : movedMeanwhile;
  }
  try {
    const workspace = await activeUnderLock(deps, orgId, entry.agent_id);
    if (workspace.head_commit !== entry.old_sha) return movedMeanwhile;
    // Also on a runner, whose files become the next commit.
    if (await deps.db.tenant(orgId, (tx) => queries.hasManagedRun(tx, workspace.agent_id))) {
      return "a command is running in the workspace; stop it, or wait";
    }
    if (hasFolder(workspace) && (await snapshotOf(deps, workspace)).changed) {
      return "the workspace's folder has uncommitted changes; commit them first, then fetch, merge and push again";
    }
    entry.line = await commitsOnLine(
      quarantine.path,
      workspace.head_commit,
      entry.new_sha,
      maxLine + 1,
    );
    return entry.line.length > maxLine
      ? `a push can add at most ${maxLine} commits to a workspace; push fewer, or squash them`
      : null;
  } catch (error) {
    if (error instanceof AppError) return error.message;
    throw error;
  }
}

/**
 * Returns why a branch cannot be pushed, because of its name or since it changes only through the merge queue; or
 * null. A new branch may begin at a commit that landed by rules at least as strict.
 */
async function protectionRefusal(
  { db, storage }: WorkspaceDeps,
  { orgId, projectId, write }: Push,
  { ref, old_sha, new_sha }: PendingPush,
): Promise<string | null> {
  const branch = /^refs\/heads\/(.+)$/.exec(ref)?.[1];
  if (branch === undefined) return null;
  const entries = await db.tenant(orgId, (tx) => readProtectedBranches(tx, projectId));
  const problem = branchNameProblem(branch, entries);
  if (problem !== null) return `the name ${problem}; choose another name`;
  const rule = protectionOf(entries, branch);
  if (!needsQueue(rule)) return null;
  const why = `the branch is protected (${requirementsOf(rule)})`;
  if (old_sha !== null) return `${why}; push to a workspace and queue a merge`;
  const holders = await branchesContaining(storage.repository(orgId, projectId), new_sha);
  const hasLanded = holders.some((name) => {
    const other = protectionOf(entries, name);
    return other !== undefined && isAsStrict(other, rule);
  });
  if (hasLanded) return null;
  return (await write(async (_tx, access) => allows(access, "project:protection:write")))
    ? null
    : `${why}; create it at a commit of a branch with the same rules, or let a member with project:protection:write create it`;
}

/**
 * Writes the pending rows, then moves the objects into the store.
 * @throws AppError 401, 403, 404, 409
 */
async function begin(
  deps: WorkspaceDeps,
  { orgId, projectId, write, commits, quarantine }: Push,
  accepted: readonly (PendingPush & { line: LineCommit[] })[],
): Promise<void> {
  await write(async (tx) => {
    if (!(await pushes.isActiveProject(tx, projectId))) throw notFound();
    const entries = await readProtectedBranches(tx, projectId);
    for (const { ref, old_sha } of accepted) {
      const branch = /^refs\/heads\/(.+)$/.exec(ref)?.[1];
      if (branch === undefined) continue;
      if (old_sha === null) requireBranchName(entries, branch);
      else requireUnprotected(entries, branch);
    }
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
    await deletePushes(deps.db, orgId, accepted);
    throw error;
  }
}

/** Moves the refs, in one transaction if possible, and returns those that moved. */
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
      const hindered = findRejectedRef(error, rest);
      if (hindered === null) {
        // git may have moved some refs before it failed, so each one is checked.
        for (const entry of rest) await recoverPushUnderLock(deps, entry);
        throw error;
      }
      const unmoved = atomic ? rest : [hindered.entry];
      await deletePushes(deps.db, orgId, unmoved);
      refusals.set(hindered.entry.ref, hindered.refusal);
      if (atomic) refuseRest(refusals, refs);
      rest = rest.filter((entry) => !unmoved.includes(entry));
    }
  }
  return rest;
}

/** Returns which ref could not move and why; null for other failures. */
function findRejectedRef<Entry extends { ref: string }>(
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
    ? {
        entry,
        refusal:
          "its name conflicts with another branch (a prefix of it, or the reverse); choose another name",
      }
    : null;
}
