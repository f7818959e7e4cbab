import { maxMergedCommits, type MergeChanges } from "#shared/api/code/merges.js";
import { notFound } from "../../../../errors.js";
import { diffFiles } from "#git/diff/diff.js";
import { readHistory } from "#git/store/history.js";
import type { OrgContext } from "../../../../http/requests/request-context.js";
import { receivedTimes, receiveTimeOf } from "../commits/received-commits.queries.js";
import * as merges from "./merges.queries.js";
import { isVisible } from "../visible-branches.js";
import type { WorkspaceDeps } from "../workspace.js";

/**
 * Returns what an applied merge changed on its target branch, and who made it.
 * @throws AppError 404
 */
export async function readMergeChanges(
  { storage }: WorkspaceDeps,
  context: OrgContext,
  agentId: string,
  mergeId: string,
): Promise<MergeChanges> {
  const { merge, author } = await context.tx(async (tx) => {
    const found = await merges.findRecorded(tx, agentId, mergeId);
    if (!found || !(await isVisible(tx, context.actor, found))) throw notFound();
    return { merge: found, author: await merges.findAuthor(tx, mergeId) };
  });
  const { project_id, source_commit, target_commit, merge_commit } = merge;
  const repoPath = storage.repository(context.orgId, project_id);
  const [history, diff] = await Promise.all([
    readHistory(repoPath, [source_commit], maxMergedCommits + 1, [target_commit]),
    diffFiles(repoPath, target_commit, merge_commit, { patch: true }),
  ]);
  const shown = history.slice(0, maxMergedCommits);
  const shas = shown.map(({ sha }) => sha);
  const times = await context.tx((tx) => receivedTimes(tx, project_id, shas));
  return {
    author,
    commits: shown.map(({ sha, subject, authorName, date }) => ({
      sha,
      subject,
      author_name: authorName,
      at: receiveTimeOf(times, { sha, date }),
    })),
    has_more_commits: history.length > maxMergedCommits,
    diff,
  };
}
