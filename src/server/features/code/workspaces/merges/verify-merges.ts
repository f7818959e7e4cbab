import { sql } from "drizzle-orm";
import type { Queryable } from "../../../../db/connection/connect.js";
import { DataProcesses } from "#git/merge/merge.js";
import { commitParents, resolveCommit, resolveTree } from "#git/store/repository.js";
import type { Storage } from "../../../../data-folder/storage.js";
import { listRecorded, type RecordedMerge } from "./merges.queries.js";
import { planDecidedMerge, type PlanDeps } from "./planning/plan-merge.js";
import { inputOf } from "./revert-merge.js";

/** The result of recomputing an organization's merges. */
export interface MergesReport {
  slug: string;
  /** Number of recomputed merges, faulty ones included. */
  merges: number;
  /** Number of merges whose repositories are gone, with their projects, or on other nodes. */
  skipped: number;
  /** Merges with a different result, with reasons. */
  faults: { id: string; reason: string }[];
}

const step = 200;

/**
 * Recomputes the recorded merges of all projects of a node. Requires a connection that sees them all; git
 * may store unreferenced objects.
 */
export async function verifyMerges(
  db: Queryable,
  storage: Storage,
  nodeId: string,
): Promise<MergesReport[]> {
  const { rows } = await db.execute<{ id: string; slug: string }>(
    sql`select id, slug from organizations order by slug`,
  );
  const dataProcesses = new DataProcesses();
  const deps: PlanDeps = { storage, db: { tenant: (_orgId, work) => work(db) }, dataProcesses };
  const reports: MergesReport[] = [];
  try {
    for (const { id, slug } of rows)
      reports.push({ slug, ...(await verifyAll(db, deps, id, nodeId)) });
  } finally {
    dataProcesses.stop();
  }
  return reports;
}

async function verifyAll(
  db: Queryable,
  deps: PlanDeps,
  orgId: string,
  nodeId: string,
): Promise<Omit<MergesReport, "slug">> {
  const report: Omit<MergesReport, "slug"> = { merges: 0, skipped: 0, faults: [] };
  for (let after: string | null = null; ;) {
    const merges: RecordedMerge[] = await listRecorded(db, orgId, after, step);
    const skipped = await listOtherProjects(db, orgId, nodeId);
    for (const merge of merges) {
      after = merge.id;
      const reason = skipped.has(merge.project_id) ? null : await findFault(deps, merge);
      // A project may be deleted meanwhile.
      const isGone =
        skipped.has(merge.project_id) ||
        (reason !== null && (await listOtherProjects(db, orgId, nodeId)).has(merge.project_id));
      if (isGone) report.skipped += 1;
      else report.merges += 1;
      if (!isGone && reason !== null) report.faults.push({ id: merge.id, reason });
    }
    if (merges.length < step) return report;
  }
}

/** Returns the projects that have no repository on the node. */
async function listOtherProjects(
  db: Queryable,
  orgId: string,
  nodeId: string,
): Promise<ReadonlySet<string>> {
  const { rows } = await db.execute<{ id: string }>(sql`
    select id from projects where org_id = ${orgId}
      and (deleted_at is not null or home_node is distinct from ${nodeId}::uuid)`);
  return new Set(rows.map(({ id }) => id));
}

/** Returns why a merge differs from its inputs, or null. */
async function findFault(deps: PlanDeps, merge: RecordedMerge): Promise<string | null> {
  const repoPath = deps.storage.repository(merge.org_id, merge.project_id);
  try {
    if ((await resolveCommit(repoPath, merge.merge_commit)) === null)
      return "its commit is missing";
    // A forge merges by rules of its own, such as a squash.
    if (merge.by_forge) return null;
    const { source_commit, target_commit } = merge;
    const hasTwo = merge.kind === "merge" || merge.kind === "sync";
    const parents = hasTwo ? [target_commit, source_commit] : [target_commit];
    if ((await commitParents(repoPath, merge.merge_commit)).join() !== parents.join()) {
      return "its commit has other parents than the merged commits";
    }
    const { tree } = await planDecidedMerge(deps, inputOf(merge));
    return tree === (await resolveTree(repoPath, merge.merge_commit))
      ? null
      : "recomputing it gives other files";
  } catch (error) {
    // A faulty merge does not stop the verification.
    return `it cannot be recomputed (${error instanceof Error ? error.message : String(error)})`;
  }
}
