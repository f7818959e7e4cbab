import type { Commit } from "#shared/api/code/commits.js";
import { publish, secondsSince } from "#shared/node/measurements.js";
import { diffStats } from "#git/diff/diff.js";
import { writeObject } from "#git/objects/loose-object.js";
import { inspectTrees } from "#git/smart-http/inspect-push.js";
import { Quarantine } from "#git/smart-http/quarantine.js";
import { updateRefs } from "#git/store/refs.js";
import { commitObject, resolveTree } from "#git/store/repository.js";
import { statementOf } from "../../../../db/connection/connect.js";
import { activeUnderLock, defaultMessage } from "../commits/commit-workspace.js";
import * as commits from "../commits/commits.queries.js";
import { branchRef, placesOf, type ActiveWorkspace, type WorkspaceDeps } from "../workspace.js";
import { inspect } from "./take-commits.js";

interface ReceivedFiles {
  /** A commit of them, which no branch gets. */
  files: string;
  /** Null: all objects must be known. */
  pack: AsyncGenerator<Buffer> | null;
  /** Commits whose objects the run may name. */
  known: readonly string[];
  maxBytes: number;
  signal: AbortSignal;
}

/**
 * Commits files as a checkpoint on the workspace's head, for the holder of its lock, by reserve, act and record.
 * Returns null if the head has these files.
 * @throws PackRefusedError
 */
export async function commitReceivedFiles(
  deps: WorkspaceDeps,
  workspace: ActiveWorkspace,
  { files, pack, known, maxBytes, signal }: ReceivedFiles,
): Promise<Commit | null> {
  const { db } = deps;
  const { org_id, agent_id, agent_name: name, head_commit: head } = workspace;
  const { repoPath } = placesOf(deps, workspace);
  const start = performance.now();
  const quarantine = await Quarantine.open(repoPath);
  try {
    if (pack) await quarantine.receive(pack, { isAlone: true, maxBytes, signal });
    await inspect(deps, workspace, quarantine, { tips: [files], known: [...known], signal });
    const tree = await resolveTree(quarantine.path, files);
    if (tree === workspace.head_tree) return null;
    await inspectTrees(quarantine, [files]);
    const message = defaultMessage(name, "checkpoint", null);
    const author = { name, email: `${agent_id}@agents.omoi` };
    const object = commitObject({ tree, parents: [head], message, author, date: new Date() });
    const sha = object.oid;
    signal.throwIfAborted();
    await db.write(org_id, async (tx, _first, last) => {
      const shas = { commit_sha: sha, parent_sha: head, tree_sha: tree };
      const size = { files_changed: 0, additions: 0, deletions: 0 };
      const pending = { org_id, agent_id, ...shas, ...size, message };
      last.push(
        statementOf(commits.insertingPendingCommit(tx, { ...pending, commit_type: "checkpoint" })),
      );
    });
    try {
      await quarantine.migrate();
      await writeObject(repoPath, object);
      const ref = branchRef(workspace.branch_name);
      await updateRefs(repoPath, [{ ref, newSha: sha, expectedOld: head }]);
    } catch (error) {
      // The branch may have moved: then the commit is recorded, and otherwise forgotten.
      await activeUnderLock(deps, org_id, agent_id);
      throw error;
    }
    const stats = await diffStats(repoPath, head, tree);
    const commit = await db.tenant(org_id, (tx) => commits.recordCommit(tx, workspace, sha, stats));
    publish("checkpoint", { seconds: secondsSince(start) });
    return commit;
  } finally {
    await quarantine.discard();
  }
}
