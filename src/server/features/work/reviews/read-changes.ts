import type { z } from "zod";
import type { Changes, reviews } from "#shared/api/work/reviews.js";
import { changeBetween, type ChangeBetween } from "#git/diff/change-between.js";
import { diffFilesWithBlobs, type DiffStats, type FileDiff } from "#git/diff/diff.js";
import { generatedFiles } from "#git/objects/generated-files.js";
import type { CallerContext } from "../../../http/requests/request-context.js";
import type { RunDeps } from "../../execution/runs/start.js";
import { atCommit, comparisonOf, type Comparison } from "./compare-changes.js";
import { readApproval } from "./read-approval.js";
import { readReviewed, reviewerOf } from "./reviewed-attempt.js";
import * as queries from "./reviews.queries.js";

/** The content of a deleted file among those that were seen. */
export const DELETED = "0".repeat(40);

/** Maximum bytes of one file's patch that is asked for by its path. */
const MAX_FILE_PATCH = 4 * 1024 * 1024;
const MAX_FILES = 20_000;

type Query = z.output<typeof reviews.changes.query>;

/** @throws AppError 404; 409 `no_attempt`, `workspace_not_active`; 422 for an unknown commit */
export async function readChanges(
  deps: RunDeps,
  context: CallerContext,
  taskId: string,
  query: Query,
): Promise<Changes> {
  const newest = await readReviewed(deps, context, taskId, query.attempt_id);
  const reviewed = await atCommit(newest, query.commit_sha);
  const { repoPath, head, base, targetBranch, target, attempt } = reviewed;
  const reviewerId = reviewerOf(context);
  const own = context.tx(async (tx) => ({
    viewed: await queries.listViewed(tx, taskId, reviewerId),
    draft: await queries.findDraft(tx, taskId, reviewerId),
    last: await queries.findLastReview(tx, taskId, reviewerId),
  }));
  const compare = async () => {
    const last = query.since === "last_review" ? (await own).last : undefined;
    const comparison = await comparisonOf(reviewed, query.since, last);
    const { files, stats, blobs } = await diff(repoPath, head, comparison, query);
    const shown = files.filter(({ path }) => !comparison.foreign.has(path));
    const paths = shown.map(({ path }) => path);
    return {
      since: comparison.since,
      shown,
      stats: shown.length === files.length ? stats : statsOf(shown),
      blobs,
      generated: await generatedFiles(repoPath, head, paths),
    };
  };
  // git and the database work at the same time.
  const [{ viewed, draft }, { since, shown, stats, blobs, generated }, approval] =
    await Promise.all([own, compare(), readApproval(context, newest)]);
  return {
    task_id: taskId,
    attempt_id: attempt.id,
    commit_sha: head,
    target_branch: targetBranch,
    target_sha: target,
    base_sha: base,
    since,
    files: shown.map((file) => {
      const { old: old_blob_id = null, new: blob_id = null } = blobs.get(file) ?? {};
      return {
        ...file,
        blob_id,
        old_blob_id,
        viewed: viewed.get(file.path) === (blob_id ?? DELETED),
        generated: generated.has(file.path),
      };
    }),
    stats,
    has_draft: draft !== undefined,
    approval,
  };
}

/** Compares two trees: all files, or those from a path on. */
async function diff(
  repoPath: string,
  head: string,
  { from, foreign }: Comparison,
  { path, files, patches, ignore_whitespace = false }: Query,
): Promise<ChangeBetween> {
  const options = { patch: patches !== "none", ignoreWhitespace: ignore_whitespace };
  if (path === undefined) {
    return patches === "first"
      ? changeBetween(repoPath, from, head, options)
      : diffFilesWithBlobs(repoPath, from, head, options);
  }
  const all = (await changedPaths(repoPath, from, head)).filter((file) => !foreign.has(file.path));
  const at = all.findIndex((file) => file.path === path);
  if (at === -1) return { files: [], stats: statsOf([]), blobs: new Map() };
  // A renamed file is compared with what it was.
  const paths = all
    .slice(at, at + files)
    .flatMap((file) => [file.path, ...(file.old_path === null ? [] : [file.old_path])]);
  const found = await diffFilesWithBlobs(repoPath, from, head, {
    ...options,
    maxPatchBytesPerFile: MAX_FILE_PATCH,
    paths,
  });
  const wanted = new Set(all.slice(at, at + files).map((file) => file.path));
  const own = found.files.filter((file) => wanted.has(file.path));
  return { ...found, files: own, stats: statsOf(own) };
}

type ChangedPath = Pick<FileDiff, "path" | "old_path">;

/** Changed paths by the two trees, which determine them. */
const known = new Map<string, Promise<ChangedPath[]>>();
const MAX_KNOWN = 30;
/** Longer lists are read again. */
const MAX_KNOWN_FILES = 3000;

function changedPaths(repoPath: string, from: string, to: string): Promise<ChangedPath[]> {
  const key = `${repoPath} ${from} ${to}`;
  const found = known.get(key);
  if (found) return found;
  const read = async (): Promise<ChangedPath[]> => {
    const options = { patch: false, counts: false, maxFiles: MAX_FILES };
    const { files } = await diffFilesWithBlobs(repoPath, from, to, options);
    if (files.length > MAX_KNOWN_FILES) known.delete(key);
    return files.map(({ path, old_path }) => ({ path, old_path }));
  };
  const made = read();
  known.set(key, made);
  made.catch(() => known.delete(key));
  const [oldest] = known.keys();
  if (known.size > MAX_KNOWN && oldest !== undefined) known.delete(oldest);
  return made;
}

function statsOf(files: readonly FileDiff[]): DiffStats {
  return {
    files_changed: files.length,
    additions: files.reduce((sum, { additions }) => sum + (additions ?? 0), 0),
    deletions: files.reduce((sum, { deletions }) => sum + (deletions ?? 0), 0),
  };
}
