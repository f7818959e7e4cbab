/** What is new upstream, and what of it the project's own branches take. */
import type { FetchReport } from "#shared/api/projects.js";
import { countApart, incomingCommits } from "#git/store/branches.js";
import { fetchUpstream } from "#git/upstream/fetch-upstream.js";
import { isAncestor, resolveCommit } from "#git/store/repository.js";
import { listRefs, RefMovedError, updateRef } from "#git/store/refs.js";
import { GitError } from "#git/process/run.js";
import type { UpstreamOptions } from "#git/upstream/upstream-connection.js";
import { branchLock, receiveCommits } from "../../workspaces/index.js";
import type { ProjectDeps } from "../project.js";

const heads = "refs/upstream/heads/";
const tags = "refs/upstream/tags/";
/** How many names of each sort are told. */
const told = 100;
/** How many commits are noted in one statement. */
const batch = 5000;

/**
 * Fetches, notes that what is new was received now, and moves the project's branches forward where that
 * is all there is to do. A branch with commits on both sides stays as it is, and so does one that
 * upstream does not have any more. May be cut off anywhere and done again.
 * @throws UpstreamError
 */
export async function fetchProject(
  deps: ProjectDeps,
  { org_id: orgId, project_id: id, url }: { org_id: string; project_id: string; url: string },
  before: { last_fetch: FetchReport | null } | null,
  options: UpstreamOptions,
): Promise<FetchReport> {
  const repoPath = deps.storage.repository(orgId, id);
  const { gone } = await fetchUpstream(repoPath, url, options);
  // Before any branch holds them: what conflicts are decided by must be known by then.
  const received = await incomingCommits(repoPath);
  for (let from = 0; from < received.length; from += batch) {
    const some = received.slice(from, from + batch);
    await deps.db.tenant(orgId, (tx) =>
      receiveCommits(tx, { org_id: orgId, project_id: id }, some),
    );
  }
  const report: FetchReport = { created: [], updated: [], diverged: [], gone: [] };
  const upstream = await listRefs(repoPath, heads);
  for (const { ref, sha } of upstream) {
    const branch = ref.slice(heads.length);
    const outcome = await deps.db.locks(orgId, [branchLock(id, branch)], () =>
      takeBranch(repoPath, branch, sha),
    );
    if (outcome === "created" || outcome === "updated") report[outcome].push(branch);
    else if (outcome !== null) report.diverged.push({ branch, ...outcome });
  }
  await takeTags(repoPath);
  report.gone = await keptBranches(repoPath, upstream, [
    ...(before?.last_fetch?.gone ?? []),
    ...gone,
  ]);
  return {
    created: report.created.slice(0, told),
    updated: report.updated.slice(0, told),
    diverged: report.diverged.slice(0, told),
    gone: report.gone.slice(0, told),
  };
}

type Outcome = "created" | "updated" | { ahead: number; behind: number } | null;

/** Moves a branch forward to where upstream has it. The caller holds the branch's lock. */
async function takeBranch(repoPath: string, branch: string, sha: string): Promise<Outcome> {
  const ref = `refs/heads/${branch}`;
  for (;;) {
    const tip = await resolveCommit(repoPath, ref);
    if (tip === sha) return null;
    try {
      if (tip === null || (await isAncestor(repoPath, tip, sha))) {
        await updateRef(repoPath, ref, sha, tip);
        return tip === null ? "created" : "updated";
      }
    } catch (error) {
      // Whatever moved it meanwhile: it is looked at anew.
      if (error instanceof RefMovedError) continue;
      // A folder of branches has the name, or the other way round: there is no place for it here.
      if (error instanceof GitError && tip === null && error.reason === "exit") return null;
      throw error;
    }
    const apart = await countApart(repoPath, ref, `${heads}${branch}`);
    return apart !== null && apart.behind > 0 ? apart : null;
  }
}

/** New tags come in; one that is here stays what it is. */
async function takeTags(repoPath: string): Promise<void> {
  const own = new Set((await listRefs(repoPath, "refs/tags/")).map(({ ref }) => ref));
  for (const { ref, sha } of await listRefs(repoPath, tags)) {
    const tag = `refs/tags/${ref.slice(tags.length)}`;
    if (own.has(tag)) continue;
    await updateRef(repoPath, tag, sha, null).catch((error: unknown) => {
      if (!(error instanceof GitError || error instanceof RefMovedError)) throw error;
    });
  }
}

/** Of branches that upstream once had, those that are here and not there. */
async function keptBranches(
  repoPath: string,
  upstream: readonly { ref: string }[],
  names: readonly string[],
): Promise<string[]> {
  const there = new Set(upstream.map(({ ref }) => ref.slice(heads.length)));
  const here = new Set((await listRefs(repoPath, "refs/heads/")).map(({ ref }) => ref.slice(11)));
  return [...new Set(names)].filter((name) => here.has(name) && !there.has(name)).toSorted();
}
