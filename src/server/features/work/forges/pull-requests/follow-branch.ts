/** Follows what people do on the forge to the branch of a pull request. */
import { readUpstreamBranch } from "#git/upstream/read-upstream-branch.js";
import { commitsBetween, isAncestor, resolveCommit } from "#git/store/repository.js";
import { systemOrigin } from "../../../../db/audit/audit.js";
import { accessUpstream, fetchInBackground } from "../../../code/projects/index.js";
import { applyPush, branchRef, finishWorkspace } from "../../../code/workspaces/index.js";
import { endAtRest, waitForEnd } from "../../../execution/run-ends/index.js";
import { countWaiting, lockSession } from "../../../execution/runs/start.js";
import { contextOf, replaceAttempt } from "../../tasks/index.js";
import { isRefusal, targetOf, type PullRequestDeps } from "./advance-pull-request.js";
import * as followed from "./follow-branch.queries.js";
import type { FollowedBranch } from "./follow-branch.queries.js";
import * as queries from "./pull-requests.queries.js";
import type { PullRequestRow } from "./pull-requests.queries.js";

/**
 * Takes over what people have pushed to the branch of an open request. Further commits go to the workspace, if it has none
 * that the forge lacks. A branch that was rewritten becomes a new attempt of the task: the former one is archived with all
 * its work, and history of a workspace never changes. Both wait until the agent is at rest. The caller holds the lock.
 */
export async function followBranch(
  deps: PullRequestDeps,
  orgId: string,
  id: string,
): Promise<void> {
  const { db, log, storage } = deps;
  const found = await db.tenant(orgId, async (tx) => ({
    row: await queries.findRow(tx, id),
    branch: await followed.findFollowed(tx, id),
  }));
  const { row, branch } = found;
  if (!row || !branch || !hasMoved(row)) return;
  try {
    const repoPath = storage.repository(orgId, row.project_id);
    const url = branch.import_url;
    const access = await accessUpstream(deps, { org_id: orgId, project_id: row.project_id, url });
    // The forge's answer may be older than the last push from here.
    const tip = await readUpstreamBranch(repoPath, url, row.head, access);
    const last = row.pushed_sha;
    if (tip === null || last === null || tip === last) return;
    if ((await resolveCommit(repoPath, tip)) === null) {
      await fetchInBackground(deps, { org_id: orgId, project_id: row.project_id });
      return;
    }
    const isFurther = await isAncestor(repoPath, last, tip);
    if (!isFurther) await takeRewritten(deps, row, branch, tip);
    else if (branch.head_commit === last) await takeFurther(deps, row, branch, tip);
  } catch (error) {
    if (!isRefusal(error)) throw error;
    log.debug({ err: error, pull_request: id }, "the branch of a pull request is not followed");
  }
}

/** Whether the forge shows another commit than the one that was pushed last. */
function hasMoved({ state, head_sha, pushed_sha, pushing_sha }: PullRequestRow): boolean {
  const isOpen = state === "open" || state === "draft";
  return isOpen && head_sha !== null && head_sha !== pushed_sha && pushing_sha === pushed_sha;
}

/** What a request stores once its branch was taken over. Pushing that a refusal has ended goes on. */
const takenOver = ({ error }: PullRequestRow, tip: string) => ({
  pushed_sha: tip,
  pushing_sha: tip,
  ...(error !== null && { error: null, auto_update: true }),
});

/** All of it is stored at once: a server that is killed afterwards completes the workspace when it starts again. */
async function takeRewritten(
  deps: PullRequestDeps,
  row: PullRequestRow,
  branch: FollowedBranch,
  tip: string,
): Promise<void> {
  const { db, runs, workspaces } = deps;
  const { org_id: orgId, id, task_id, attempt_id } = row;
  const context = await contextOf(runs, branch);
  const made = await db.change(orgId, systemOrigin, async (tx, audit) => {
    const attempt = await replaceAttempt(
      tx,
      audit,
      context,
      { task_id, attempt_id },
      { commit: tip, baseBranch: branch.base_branch },
    );
    if (!attempt) return null;
    await queries.updatePullRequest(tx, id, {
      attempt_id: attempt.id,
      ...takenOver(row, tip),
    });
    audit({ action: "pull_request.rewritten", target: targetOf(row) });
    return attempt;
  });
  if (!made) return;
  await waitForEnd(db, orgId, { agentId: branch.agent_id });
  await finishWorkspace(workspaces, orgId, made.agent_id);
}

/** Fast-forwards the workspace, as a push of a person to its branch does. */
async function takeFurther(
  deps: PullRequestDeps,
  row: PullRequestRow,
  branch: FollowedBranch,
  tip: string,
): Promise<void> {
  const { db, log, runs, storage, workspaces } = deps;
  const { org_id: orgId, project_id: projectId, id } = row;
  const { agent_id: agentId, branch_name, head_commit: from } = branch;
  if (from === null || !(await endIdle(deps, branch))) return;
  const context = await contextOf(runs, branch);
  const ref = branchRef(branch_name);
  const path = storage.repository(orgId, projectId);
  const refusals = await applyPush(workspaces, {
    orgId,
    projectId,
    origin: context,
    write: context.write,
    refs: [{ ref, from, to: tip, agentId }],
    commits: (await commitsBetween(path, tip, [from])).toReversed(),
    atomic: true,
    // The objects were fetched before.
    quarantine: { path, migrate: async () => {} },
  });
  const refusal = refusals.get(ref);
  if (refusal !== undefined) {
    log.debug({ pull_request: id, refusal }, "commits of a forge are not taken over");
    return;
  }
  await db.tenant(orgId, (tx) => queries.updatePullRequest(tx, id, takenOver(row, tip)));
}

/** Ends the program of an idle session, which the next prompt starts again. Returns false if a prompt came before. */
async function endIdle(
  { db }: PullRequestDeps,
  { org_id: orgId, agent_id: agentId, session_id, idle_run_id: idle }: FollowedBranch,
): Promise<boolean> {
  if (idle === null) return true;
  const isEnding = await db.tenant(orgId, async (tx) => {
    const session = await lockSession(tx, session_id);
    if (session?.status !== "idle" || (await countWaiting(tx, session_id)) > 0) return false;
    await endAtRest(tx, idle, "Commits of the forge are taken over.");
    return true;
  });
  if (isEnding) await waitForEnd(db, orgId, { agentId });
  return isEnding;
}
