import { sql } from "drizzle-orm";
import type { Queryable } from "../../db/connect.js";
import { AppError } from "../../errors.js";
import { commitParents, resolveCommit, resolveTree } from "../../git/repository.js";
import { GitError } from "../../git/run.js";
import type { Storage } from "../../storage.js";
import { listRecorded, type RecordedMerge } from "./merge-repository.js";
import { planMerge, type PlanDeps } from "./plan-merge.js";
import { inputOf } from "./undo-merge.js";

/** What computing an organization's merges again has shown. */
export interface MergesReport {
  slug: string;
  merges: number;
  /** The first that gives something else, and why; null where all are as they were. */
  broken: { id: string; reason: string } | null;
}

const step = 200;

/**
 * Computes the recorded merges of all organizations again. Needs a connection that sees them all;
 * nothing is changed but that git may store objects which no reference names.
 */
export async function verifyMerges(db: Queryable, storage: Storage): Promise<MergesReport[]> {
  const { rows } = await db.execute<{ id: string; slug: string }>(
    sql`select id, slug from organizations order by slug`,
  );
  const deps: PlanDeps = { storage, db: { tenant: (_orgId, work) => work(db) } };
  const reports: MergesReport[] = [];
  for (const { id, slug } of rows) reports.push({ slug, ...(await verifyAll(db, deps, id)) });
  return reports;
}

async function verifyAll(
  db: Queryable,
  deps: PlanDeps,
  orgId: string,
): Promise<Omit<MergesReport, "slug">> {
  let verified = 0;
  for (let after: string | null = null; ;) {
    const merges: RecordedMerge[] = await listRecorded(db, orgId, after, step);
    for (const merge of merges) {
      const reason = await findFault(deps, merge);
      if (reason !== null) return { merges: verified, broken: { id: merge.id, reason } };
      verified += 1;
      after = merge.id;
    }
    if (merges.length < step) return { merges: verified, broken: null };
  }
}

/** Why a merge is not what it is computed from; null where it is. */
async function findFault(deps: PlanDeps, merge: RecordedMerge): Promise<string | null> {
  const store = deps.storage.repository(merge.org_id, merge.project_id);
  try {
    if ((await resolveCommit(store, merge.merge_commit)) === null) return "its commit is missing";
    const { source_commit, target_commit } = merge;
    const hasTwo = merge.kind === "merge" || merge.kind === "sync";
    const parents = hasTwo ? [target_commit, source_commit] : [target_commit];
    if ((await commitParents(store, merge.merge_commit)).join() !== parents.join()) {
      return "its commit has other parents than what was merged";
    }
    const { tree } = await planMerge(deps, inputOf(merge));
    return tree === (await resolveTree(store, merge.merge_commit))
      ? null
      : "computed again, it gives other files";
  } catch (error) {
    if (!(error instanceof GitError || error instanceof AppError)) throw error;
    return `it cannot be computed again (${error.message})`;
  }
}
