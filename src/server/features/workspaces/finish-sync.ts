/** What follows once a sync has moved a workspace's branch: the folder, and the rows. */
import { serverItself } from "../../db/audit.js";
import {
  FolderMissingError,
  snapshotFolder,
  syncFolder,
  UnsavedChangesError,
} from "../../git/ingest.js";
import { applyDecisions, computeMerge } from "../../git/merge.js";
import { commitTree, OMOI, resolveTree } from "../../git/repository.js";
import { removeStaleLock } from "../../git/stale-locks.js";
import * as commits from "./commit-repository.js";
import type { MergeRow } from "./merge-repository.js";
import type { WorkspaceRow } from "./repository.js";
import { recordMerge } from "./record-merge.js";
import { hasFolder, placesOf, type WorkspaceDeps } from "./workspace.js";

/**
 * Brings folder and rows up to a sync whose branch has moved; from any point at which an earlier try
 * was cut off. The rows come last: until then the workspace is worked on by nobody.
 */
export async function finishSync(
  deps: WorkspaceDeps,
  workspace: WorkspaceRow,
  sync: Pick<
    MergeRow,
    | "id"
    | "kind"
    | "of_merge"
    | "org_id"
    | "project_id"
    | "agent_id"
    | "target_commit"
    | "merge_commit"
    | "origin"
  >,
): Promise<void> {
  const { merge_commit, target_commit } = sync;
  if (hasFolder(workspace)) {
    await followFolder(placesOf(deps, workspace), target_commit, merge_commit);
  }
  await deps.db.change(workspace.org_id, sync.origin ?? serverItself, async (tx, tell) => {
    await commits.recordCommit(tx, workspace, merge_commit);
    await recordMerge(tx, tell, sync);
  });
}

/**
 * Moves the folder from one commit to another. What was written there meanwhile, or what a move that
 * was cut off has left half done, is merged into it, and is unsaved work afterwards.
 */
async function followFolder(
  places: ReturnType<typeof placesOf>,
  from: string,
  to: string,
): Promise<void> {
  const { store, indexFile } = places;
  await removeStaleLock(`${indexFile}.lock`);
  try {
    await syncFolder({ ...places, fromCommit: from, toCommit: to });
  } catch (error) {
    // Whoever works in the workspace next is told that its folder is gone; the branch is whole.
    if (error instanceof FolderMissingError) return;
    if (!(error instanceof UnsavedChangesError)) throw error;
    const parentTree = await resolveTree(store, from);
    const { tree } = await snapshotFolder({ ...places, parentTree });
    const commit = (files: string, parent: string): Promise<string> =>
      commitTree(store, {
        tree: files,
        parents: [parent],
        message: "Unsaved work",
        author: OMOI,
        date: new Date(),
      });
    const held = await commit(tree, from);
    const merged = await computeMerge(store, to, held, from);
    const decisions = merged.conflicts.map(() => ({ take: "source" }) as const);
    const labels = { source: "unsaved", target: "synced" };
    const wanted = await applyDecisions(store, merged, decisions, labels);
    await syncFolder({
      ...places,
      fromCommit: held,
      toCommit: await commit(wanted.tree, to),
      force: true,
    });
  }
}
