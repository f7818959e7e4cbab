/** Fetches from upstream and fast-forwards the project's branches. */
import type { FetchReport, Upstream } from "#shared/api/code/projects.js";
import { countApart, incomingCommits } from "#git/store/branches.js";
import { fetchUpstream } from "#git/upstream/fetch-upstream.js";
import { isAncestor, resolveCommit } from "#git/store/repository.js";
import { listRefs, RefMovedError, updateRef } from "#git/store/refs.js";
import { GitError } from "#git/process/run.js";
import type { UpstreamOptions } from "#git/upstream/upstream-connection.js";
import { branchNameProblem, needsQueue, protectionOf } from "#shared/code/protection.js";
import { isStillAllowed } from "../../../../access/original-caller.js";
import type { Origin } from "../../../../db/audit/audit.js";
import { branchLock, readProtectedBranches, receiveCommits } from "../../workspaces/index.js";
import type { ProjectDeps } from "../project.js";
import { listPullRequestBranches } from "./upstreams.queries.js";

const heads = "refs/upstream/heads/";
const tags = "refs/upstream/tags/";
/** The beginning of branches that are pushed to a forge for pull requests. */
const PULL_REQUEST_BRANCHES = "omoi/";
/** Maximum number of names per list in a report. */
const MAX_REPORTED_NAMES = 100;
/** Commits recorded per statement. */
const BATCH_SIZE = 5000;

/**
 * Fetches, records the fetch time as the receive time of new commits, and fast-forwards the project's
 * branches. Diverged branches, branches that upstream deleted and those whose names could be taken for a protected
 * branch stay unchanged, and those with checks or approvals unless the caller of the fetch may change protection.
 * Idempotent after an interruption.
 * @throws UpstreamError
 */
export async function fetchProject(
  deps: ProjectDeps,
  { org_id: orgId, project_id: id, url }: { org_id: string; project_id: string; url: string },
  before: { last_fetch: FetchReport | null; repository: Upstream["repository"] } | null,
  origin: Origin,
  options: UpstreamOptions,
): Promise<FetchReport> {
  const repoPath = deps.storage.repository(orgId, id);
  const { gone } = await fetchUpstream(repoPath, url, options);
  // Recorded before any branch contains them, because conflict resolution uses the receive times.
  const received = await incomingCommits(repoPath);
  for (let from = 0; from < received.length; from += BATCH_SIZE) {
    const some = received.slice(from, from + BATCH_SIZE);
    await deps.db.tenant(orgId, (tx) =>
      receiveCommits(tx, { org_id: orgId, project_id: id }, some),
    );
  }
  const entries = await deps.db.tenant(orgId, (tx) => readProtectedBranches(tx, id));
  const mayMove = (branch: string): Promise<boolean> =>
    deps.db.tenant(
      orgId,
      async (tx) =>
        !needsQueue(protectionOf(await readProtectedBranches(tx, id), branch)) ||
        (await isStillAllowed(tx, origin, orgId, "project:protection:write")),
    );
  const proposed = await deps.db.tenant(orgId, (tx) => listPullRequestBranches(tx, id));
  const isOfPullRequest = (branch: string): boolean =>
    branch.startsWith(PULL_REQUEST_BRANCHES) || proposed.has(branch);
  const refused: string[] = [];
  const report: FetchReport = { created: [], updated: [], protected: [], diverged: [], gone: [] };
  const upstream = await listRefs(repoPath, heads);
  for (const { ref, sha } of upstream) {
    const branch = ref.slice(heads.length);
    // The branches of pull requests are those of workspaces.
    if (before?.repository != null && isOfPullRequest(branch)) continue;
    if (branchNameProblem(branch, entries) !== null) {
      refused.push(branch);
      continue;
    }
    const outcome = await deps.db.locks(orgId, [branchLock(id, branch)], () =>
      fastForwardBranch(repoPath, branch, sha, mayMove),
    );
    if (typeof outcome === "string") report[outcome].push(branch);
    else if (outcome !== null) report.diverged.push({ branch, ...outcome });
  }
  await addTags(repoPath);
  report.gone = await branchesMissingUpstream(repoPath, upstream, [
    ...(before?.last_fetch?.gone ?? []),
    ...gone,
  ]);
  return {
    created: report.created.slice(0, MAX_REPORTED_NAMES),
    updated: report.updated.slice(0, MAX_REPORTED_NAMES),
    protected: report.protected.slice(0, MAX_REPORTED_NAMES),
    diverged: report.diverged.slice(0, MAX_REPORTED_NAMES),
    gone: report.gone.slice(0, MAX_REPORTED_NAMES),
    refused: refused.slice(0, MAX_REPORTED_NAMES),
  };
}

type Outcome = "created" | "updated" | "protected" | { ahead: number; behind: number } | null;

/** Fast-forwards a branch to upstream. The caller holds the branch's lock. */
async function fastForwardBranch(
  repoPath: string,
  branch: string,
  sha: string,
  mayMove: (branch: string) => Promise<boolean>,
): Promise<Outcome> {
  const ref = `refs/heads/${branch}`;
  for (;;) {
    const tip = await resolveCommit(repoPath, ref);
    if (tip === sha) return null;
    try {
      if (tip === null || (await isAncestor(repoPath, tip, sha))) {
        if (!(await mayMove(branch))) return "protected";
        await updateRef(repoPath, ref, sha, tip);
        return tip === null ? "created" : "updated";
      }
    } catch (error) {
      // The branch was moved concurrently; retry.
      if (error instanceof RefMovedError) continue;
      // A folder of branches has the name, or the reverse, so the branch cannot exist here.
      if (error instanceof GitError && tip === null && error.reason === "exit") return null;
      throw error;
    }
    const apart = await countApart(repoPath, ref, `${heads}${branch}`);
    return apart !== null && apart.behind > 0 ? apart : null;
  }
}

/** Adds new tags; existing tags never move. */
async function addTags(repoPath: string): Promise<void> {
  const own = new Set((await listRefs(repoPath, "refs/tags/")).map(({ ref }) => ref));
  for (const { ref, sha } of await listRefs(repoPath, tags)) {
    const tag = `refs/tags/${ref.slice(tags.length)}`;
    if (own.has(tag)) continue;
    await updateRef(repoPath, tag, sha, null).catch((error: unknown) => {
      if (!(error instanceof GitError || error instanceof RefMovedError)) throw error;
    });
  }
}

/** Returns local branches that upstream had and no longer has. */
async function branchesMissingUpstream(
  repoPath: string,
  upstream: readonly { ref: string }[],
  names: readonly string[],
): Promise<string[]> {
  const there = new Set(upstream.map(({ ref }) => ref.slice(heads.length)));
  const here = new Set((await listRefs(repoPath, "refs/heads/")).map(({ ref }) => ref.slice(11)));
  return [...new Set(names)].filter((name) => here.has(name) && !there.has(name)).toSorted();
}
