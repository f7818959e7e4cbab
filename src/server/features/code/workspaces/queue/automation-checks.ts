/** Checks that automations run, beside those of reviews and of the merge queue. */
import { sql } from "drizzle-orm";
import type { Check } from "#shared/api/code/merge-requests.js";
import { isAncestor, resolveCommit } from "#git/store/repository.js";
import type { Queryable } from "../../../../db/connection/connect.js";
import { definitionOf, hashOf } from "../check-definition.js";
import { isMergeTarget } from "../merges/planning/plan-merge.js";
import { branchRef, type WorkspaceDeps } from "../workspace.js";
import { insertCommitChecks } from "./checks.queries.js";
import { endChecks } from "./end-checks.js";
import { mergedCommit } from "./review-checks.js";

/** The subject of a check: the work of an agent, merged with its target; or a branch, at a commit of it or at its newest. */
export type CheckSubject =
  | { agent_id: string; branch: string; head: string }
  | { agent_id: null; branch: string; head: string | null };

/** Returns the commit on which a check runs, or why there is none. */
export async function commitToCheck(
  { storage }: Pick<WorkspaceDeps, "storage">,
  { org_id, project_id }: { org_id: string; project_id: string },
  { agent_id, branch, head }: CheckSubject,
): Promise<{ commit: string } | { reason: string }> {
  const repoPath = storage.repository(org_id, project_id);
  const tip = isMergeTarget(branch) ? await resolveCommit(repoPath, branchRef(branch)) : null;
  if (tip === null) return { reason: `The project has no branch ${branch}.` };
  if (head === null) return { commit: tip };
  const commit = await resolveCommit(repoPath, head);
  if (agent_id === null) {
    const isOfBranch = commit !== null && (await isAncestor(repoPath, commit, tip));
    return isOfBranch ? { commit } : { reason: `The branch ${branch} no longer has that commit.` };
  }
  if (commit === null) return { reason: "The work of the task is gone." };
  if (await isAncestor(repoPath, commit, tip)) return { commit: tip };
  const merged = await mergedCommit(repoPath, { target: tip, head: commit, branch });
  return merged === null
    ? { reason: `The change conflicts with ${branch}, so there is no commit to check.` }
    : { commit: merged.commit_sha };
}

/** Queues a check for a firing, in the transaction that decides it. The job `start-checks` starts it. */
export async function queueCheck(
  tx: Queryable,
  of: {
    org_id: string;
    project_id: string;
    firing_id: string;
    agent_id: string | null;
    branch: string;
    commit_sha: string;
  },
  check: Check,
): Promise<void> {
  const definition = definitionOf(check);
  const definition_hash = hashOf(check.name, definition);
  await insertCommitChecks(tx, [{ ...of, name: check.name, definition, definition_hash }]);
}

/** Cancels open checks that an automation has begun: some of them, or all. */
export async function cancelChecksOf(
  tx: Queryable,
  { automationId, ids }: { automationId: string; ids?: readonly string[] },
  reason: string,
): Promise<void> {
  const { rows } = await tx.execute<{ run_id: string | null }>(sql`
    update commit_checks c set status = 'cancelled', ended_at = clock_timestamp(), detail = ${reason}
    from automation_firings f
    where f.id = c.firing_id and f.automation_id = ${automationId} and c.ended_at is null
      and ${ids === undefined ? sql`true` : sql`c.id = any(${sql.param([...ids])}::uuid[])`}
    returning c.run_id`);
  const runIds = rows.flatMap(({ run_id }) => run_id ?? []);
  await endChecks(tx, runIds, reason);
}
