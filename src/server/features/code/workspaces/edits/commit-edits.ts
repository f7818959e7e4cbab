/** Commits of changes that people make on pages, without the folder. */
import { originOf, systemOrigin, type AuditWriter } from "../../../../db/audit/audit.js";
import type { Queryable } from "../../../../db/connection/connect.js";
import { newId } from "../../../../db/tables/columns.js";
import { AppError, workspaceBusy } from "../../../../errors.js";
import { commitsOnLine } from "#git/diff/diff.js";
import { RefMovedError, updateRefs } from "#git/store/refs.js";
import { TokenScan } from "#git/objects/token-scan.js";
import { commitTree, type Person } from "#git/store/repository.js";
import type { OrgContext } from "../../../../http/requests/request-context.js";
import { commitUnsavedChanges } from "../merges/merge-workspace.js";
import { deletePushes, recoverPushes } from "../pushes/recover-pushes.js";
import * as pushes from "../pushes/pushes.queries.js";
import type { PendingPush } from "../pushes/pushes.queries.js";
import { branchRef, placesOf, workspaceLock, type WorkspaceDeps } from "../workspace.js";
import * as queries from "../workspaces.queries.js";
import { activeUnderLock } from "../commits/commit-workspace.js";

export interface EditCommit {
  tree: string;
  message: string;
  author: Person;
  committer: Person;
}

export interface Edits {
  /** The commits, each with the whole tree, oldest first. */
  commits: readonly EditCommit[];
  /** Texts that come into the files: an active API key in them is refused. */
  texts: readonly { path: string; text: string }[];
  /** Called in the transaction before the branch moves. */
  record: (tx: Queryable, audit: AuditWriter, shas: readonly string[]) => Promise<void>;
}

/**
 * Commits edits to the branch of a workspace, and lets its folder follow. Uncommitted changes are committed first. A
 * crash after the branch has moved is recovered as that of a push.
 * @param plan gets the newest commit, under the workspace's lock
 * @throws AppError 409 `run_in_progress`, `workspace_busy`; 422 `leaked_key`; and as `commitWorkspace`
 */
export function commitEdits(
  deps: WorkspaceDeps,
  context: OrgContext,
  agentId: string,
  plan: (repoPath: string, head: string) => Promise<Edits>,
): Promise<string[]> {
  const { orgId } = context;
  return deps.db.locks(orgId, [workspaceLock(agentId)], async () => {
    // Files are written by path: a running command could redirect a path by a link.
    if (await context.tx((tx) => queries.hasManagedRun(tx, agentId))) {
      throw new AppError(
        "run_in_progress",
        "A command is running in the workspace; stop it, or wait.",
      );
    }
    const active = await activeUnderLock(deps, orgId, agentId);
    const workspace = await commitUnsavedChanges(deps, context, active);
    const { project_id, branch_name, head_commit: head } = workspace;
    const { repoPath } = placesOf(deps, workspace);
    const { commits, texts, record } = await plan(repoPath, head);
    await rejectKeys(deps, context, branch_name, texts);
    const shas: string[] = [];
    for (const commit of commits) {
      const parents = [shas.at(-1) ?? head];
      shas.push(await commitTree(repoPath, { ...commit, parents, date: new Date() }));
    }
    const tip = shas.at(-1);
    if (tip === undefined) return [];
    const ref = branchRef(branch_name);
    const push: PendingPush = {
      id: newId(),
      org_id: orgId,
      project_id,
      agent_id: agentId,
      ref,
      old_sha: head,
      new_sha: tip,
      // Its author is in the event of the edits.
      origin: systemOrigin,
    };
    const line = await commitsOnLine(repoPath, head, tip, shas.length + 1);
    await context.change(async (tx, audit) => {
      await pushes.insertPendingPushes(tx, [push]);
      await pushes.insertPushedCommits(tx, { org_id: orgId, agent_id: agentId }, line);
      await record(tx, audit, shas);
    });
    try {
      await updateRefs(repoPath, [{ ref, newSha: tip, expectedOld: head }]);
    } catch (error) {
      await deletePushes(deps.db, orgId, [push]);
      if (error instanceof RefMovedError) {
        throw workspaceBusy("The branch was changed at the same time");
      }
      throw error;
    }
    await recoverPushes(deps, orgId, systemOrigin, [push]);
    return shas;
  });
}

/** @throws AppError 422 `leaked_key` */
async function rejectKeys(
  { leaks }: WorkspaceDeps,
  context: OrgContext,
  branch: string,
  texts: Edits["texts"],
): Promise<void> {
  const scan = new TokenScan(leaks.keyPrefix);
  for (const { path, text } of texts) scan.start(path)(Buffer.from(text));
  const leak = await leaks.findActive(scan.found, { origin: originOf(context), branch });
  if (!leak) return;
  throw new AppError(
    "leaked_key",
    `A text for ${JSON.stringify(leak.path)} contains an active API key; revoke the key.`,
    { path: leak.path, line: leak.line },
  );
}
