/** Begins the checks of a change when it goes to review, beside people. */
import { computeMerge } from "#git/merge/merge.js";
import { commitTree, OMOI, resolveCommit, resolveTree } from "#git/store/repository.js";
import { protectionOf } from "#shared/code/protection.js";
import { systemOrigin } from "../../../../db/audit/audit.js";
import { endChecks } from "./end-checks.js";
import { definitionOf, hashOf } from "../check-definition.js";
import { branchRef, type WorkspaceDeps } from "../workspace.js";
import type { BranchQueue } from "./branch-queue.js";
import * as checks from "./checks.queries.js";
import { readProtectedBranches } from "../branch-rules/protection.queries.js";
import * as queries from "./review-checks.queries.js";
import type { UncheckedChange } from "./review-checks.queries.js";

/** Changes without a check, by their two commits: those that conflict, and those whose target requires none. */
const passedOver = new Set<string>();
const MAX_PASSED_OVER = 1000;

/** Begins the checks of an organization's changes in review, and cancels those of commits that have left review. */
export async function checkInReview(deps: WorkspaceDeps, orgId: string): Promise<void> {
  const { db, log } = deps;
  const { hasLeft, unchecked } = await db.tenant(orgId, async (tx) => ({
    hasLeft: await queries.hasLeftReview(tx, db.node.id),
    unchecked: await queries.listUnchecked(tx, db.node.id),
  }));
  if (hasLeft) {
    await db.change(orgId, systemOrigin, async (tx) => {
      const left = await queries.cancelLeftReview(tx, db.node.id);
      await endChecks(tx, left, "The change is no longer in review.");
    });
  }
  let hasBegun = false;
  for (const change of unchecked) {
    try {
      hasBegun = (await beginChecks(deps, change)) || hasBegun;
    } catch (error) {
      log.error({ err: error, agent: change.agent_id }, "cannot check a change in review");
    }
  }
  if (hasBegun) await deps.jobs.send("start-checks", {});
}

async function beginChecks(deps: WorkspaceDeps, change: UncheckedChange): Promise<boolean> {
  const { db, storage } = deps;
  const { org_id, project_id, agent_id, branch, head } = change;
  const required = await db.tenant(org_id, async (tx) => {
    const entry = protectionOf(await readProtectedBranches(tx, project_id), branch);
    return checks.findChecks(tx, project_id, entry?.checks ?? []);
  });
  if (required.length === 0) return false;
  const repoPath = storage.repository(org_id, project_id);
  const target = await resolveCommit(repoPath, branchRef(branch));
  if (target === null || passedOver.has(`${target} ${head}`)) return false;
  const merged = await mergedCommit(repoPath, { target, head, branch });
  if (merged === null) {
    // The conflict is shown; its resolution is another commit.
    passedOver.add(`${target} ${head}`);
    const [oldest] = passedOver;
    if (passedOver.size > MAX_PASSED_OVER && oldest !== undefined) passedOver.delete(oldest);
    return false;
  }
  await db.change(org_id, systemOrigin, async (tx) => {
    const still = await queries.listUnchecked(tx, db.node.id);
    if (!still.some((each) => each.agent_id === agent_id && each.head === head)) return;
    await checks.insertCommitChecks(
      tx,
      required.map((check) => {
        const definition = definitionOf(check);
        const definition_hash = hashOf(check.name, definition);
        const of = { org_id, project_id, agent_id, branch, name: check.name };
        return {
          ...of,
          commit_sha: merged.commit_sha,
          definition,
          definition_hash,
          source_commit: head,
          tree_sha: merged.tree_sha,
        };
      }),
    );
  });
  return true;
}

/** Returns the commit that a check of a change runs on: merged with its target; null if they conflict. */
export async function mergedCommit(
  repoPath: string,
  { target, head, branch }: { target: string; head: string; branch: string },
): Promise<{ commit_sha: string; tree_sha: string } | null> {
  const { tree, conflicts } = await computeMerge(repoPath, target, head);
  if (conflicts.length > 0) return null;
  const isHead = tree === (await resolveTree(repoPath, head));
  const commit_sha = isHead
    ? head
    : await commitTree(repoPath, {
        tree,
        parents: [target, head],
        message: `Check of ${head} on ${branch}`,
        author: OMOI,
        date: new Date(),
      });
  return { commit_sha, tree_sha: tree };
}

/** Takes over the checks in review of candidates with the same trees, finished or not. */
export async function adoptReviewChecks(
  { db, storage }: WorkspaceDeps,
  queue: BranchQueue,
  commits: readonly string[],
  hashes: readonly string[],
): Promise<void> {
  if (hashes.length === 0 || commits.length === 0) return;
  const trees = await db.tenant(queue.org_id, (tx) => queries.listReviewedTrees(tx, queue, hashes));
  if (trees.length === 0) return;
  const repoPath = storage.repository(queue.org_id, queue.project_id);
  for (const commit of commits) {
    const tree = await resolveTree(repoPath, commit);
    if (!trees.includes(tree)) continue;
    await db.tenant(queue.org_id, (tx) => queries.adoptChecks(tx, queue, { commit, tree }, hashes));
  }
}
