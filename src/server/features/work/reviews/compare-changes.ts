import type { Changes } from "#shared/api/work/reviews.js";
import { diffFilesWithBlobs } from "#git/diff/diff.js";
import { computeMerge } from "#git/merge/merge.js";
import { isAncestor, mergeBase, resolveCommit } from "#git/store/repository.js";
import { invalidField } from "../../../errors.js";
import type { ReviewedAttempt } from "./reviewed-attempt.js";
import type { ReviewRow } from "./reviews.queries.js";

/** The commit that the newest one is compared with. */
export interface Comparison {
  from: string;
  since: Changes["since"];
  /** Files whose change the target branch brought in. */
  foreign: ReadonlySet<string>;
}

const nothing: ReadonlySet<string> = new Set();

/** Returns a change as it was at an earlier commit of the attempt. @throws AppError 422 */
export async function atCommit(
  reviewed: ReviewedAttempt,
  commit: string | undefined,
): Promise<ReviewedAttempt> {
  if (commit === undefined || commit === reviewed.head) return reviewed;
  if (!(await isOfAttempt(reviewed, commit))) {
    throw invalidField("commit_sha", "is not a commit of the attempt");
  }
  const { repoPath, target, attempt } = reviewed;
  const base = attempt.status === "merged" ? null : await mergeBase(repoPath, target, commit);
  return { ...reviewed, head: commit, base: base ?? reviewed.base };
}

/** Returns what a change is compared with. @throws AppError 422 for a commit of another attempt */
export async function comparisonOf(
  reviewed: ReviewedAttempt,
  since: string,
  last: ReviewRow | undefined,
): Promise<Comparison> {
  const { repoPath, base } = reviewed;
  const of = (kind: "base" | "commit", sha: string): Comparison => ({
    from: sha,
    since: { kind, commit_sha: sha, review_id: null, complete: true },
    foreign: nothing,
  });
  if (since === "base" || (since === "last_review" && !last)) return of("base", base);
  if (last === undefined || since !== "last_review") {
    // A commit of another branch is none of the attempt.
    const isKnown = await isOfAttempt(reviewed, since);
    if (!isKnown) throw invalidField("since", "is not a commit of the attempt");
    return of("commit", since);
  }
  const isKept = (await resolveCommit(repoPath, last.commit_sha)) !== null;
  return isKept ? sinceReview(reviewed, last) : of("base", base);
}

/** Whether a commit is one of the attempt or of its target branch. */
export async function isOfAttempt(
  { repoPath, head, target }: ReviewedAttempt,
  commit: string,
): Promise<boolean> {
  if (commit === head || commit === target) return true;
  if ((await resolveCommit(repoPath, commit)) === null) return false;
  return (await isAncestor(repoPath, commit, head)) || isAncestor(repoPath, commit, target);
}

/**
 * Compares with the reviewed change as it would be on the base of now: what a merge of the target brought in is on both
 * sides. Where it does not apply there, files that only the target has changed are left out.
 */
async function sinceReview(
  { repoPath, head, base }: ReviewedAttempt,
  { id, commit_sha: old, base_sha: oldBase }: ReviewRow,
): Promise<Comparison> {
  const since = { kind: "last_review", commit_sha: old, review_id: id, complete: true } as const;
  if (oldBase === base) return { from: old, since, foreign: nothing };
  const isKept = (await resolveCommit(repoPath, oldBase)) !== null;
  const moved = isKept ? await computeMerge(repoPath, base, old, oldBase) : null;
  if (moved?.conflicts.length === 0) return { from: moved.tree, since, foreign: nothing };
  const touched = async (from: string, to: string): Promise<Set<string>> => {
    const { files } = await diffFilesWithBlobs(repoPath, from, to, { patch: false });
    return new Set(files.flatMap(({ path, old_path }) => [path, old_path ?? path]));
  };
  const [before, now, changed] = await Promise.all([
    isKept ? touched(oldBase, old) : new Set<string>(),
    touched(base, head),
    touched(old, head),
  ]);
  return {
    from: old,
    since: { ...since, complete: false },
    foreign: new Set([...changed].filter((path) => !before.has(path) && !now.has(path))),
  };
}
