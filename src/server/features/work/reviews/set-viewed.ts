import { blobsAt } from "#git/anchor/anchor-ranges.js";
import { invalidField } from "../../../errors.js";
import type { CallerContext } from "../../../http/requests/request-context.js";
import type { RunDeps } from "../../execution/runs/start.js";
import { isOfAttempt } from "./compare-changes.js";
import { DELETED } from "./read-changes.js";
import { readReviewed, reviewerOf } from "./reviewed-attempt.js";
import * as queries from "./reviews.queries.js";

interface ViewedFile {
  path: string;
  commit_sha: string;
  viewed: boolean;
  attempt_id?: string | undefined;
}

/** Marks the content of a file in a commit as seen by the caller. @throws AppError 404; 409 `no_attempt`; 422 */
export async function setViewed(
  deps: RunDeps,
  context: CallerContext,
  taskId: string,
  { path, commit_sha, viewed, attempt_id }: ViewedFile,
): Promise<{ path: string; viewed: boolean }> {
  const reviewed = await readReviewed(deps, context, taskId, attempt_id);
  if (!(await isOfAttempt(reviewed, commit_sha))) {
    throw invalidField("commit_sha", "is not a commit of the attempt");
  }
  const { repoPath, base, head } = reviewed;
  const [seen, now, before] = await blobsAt(repoPath, [
    { commit: commit_sha, path },
    { commit: head, path },
    { commit: base, path },
  ]);
  if (!seen && !before) throw invalidField("path", "is not a file of the change");
  const blob = seen?.oid ?? DELETED;
  const file = {
    org_id: context.orgId,
    task_id: taskId,
    reviewer_id: reviewerOf(context),
    path,
  };
  await context.change((tx) => queries.setViewed(tx, file, viewed ? blob : null));
  return { path, viewed: viewed && blob === (now?.oid ?? DELETED) };
}
