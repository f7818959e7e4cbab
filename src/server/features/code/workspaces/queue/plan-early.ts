import type { ProtectedBranch } from "#shared/code/protection.js";
import { isDatabaseError } from "../../../../db/connection/failures.js";
import { AppError } from "../../../../errors.js";
import { RegenerationRequired } from "../merges/planning/regenerate-files.js";
import type { WorkspaceDeps } from "../workspace.js";
import type { BranchQueue } from "./branch-queue.js";
import * as checks from "./checks.queries.js";
import type { RequiredCheck } from "./checks.queries.js";
import type { OpenRequest } from "./merge-requests.queries.js";
import { planRequest } from "./plan-request.js";

/** A request that waits for people, with the commit on which its checks run meanwhile. */
export interface EarlyCandidate {
  request: OpenRequest;
  commit: string;
}

/**
 * Chooses the commits on which requests that wait for people are checked: each alone on the newest commit of the branch, as
 * the queue would compute it. A request whose checks have begun keeps its commit although the branch moves, so that
 * each is checked once before its approval. One that conflicts is left out; it may be resolved meanwhile.
 */
export async function planEarly(
  deps: WorkspaceDeps,
  { org_id, project_id }: BranchQueue,
  rules: {
    entries: ProtectedBranch[];
    required: Pick<RequiredCheck, "name" | "definition_hash">[];
  },
  requests: readonly OpenRequest[],
  tip: string,
): Promise<EarlyCandidate[]> {
  const begun = requests.flatMap(({ candidate_commit }) => candidate_commit ?? []);
  const hashes = rules.required.map(({ definition_hash }) => definition_hash);
  const known = await deps.db.tenant(org_id, (tx) =>
    checks.listCommitChecks(tx, project_id, begun, hashes),
  );
  const hasBegun = (commit: string): boolean =>
    rules.required.every(({ name }) =>
      known.some(
        (check) =>
          check.commit_sha === commit && check.name === name && check.status !== "cancelled",
      ),
    );
  const early: EarlyCandidate[] = [];
  for (const request of requests) {
    const { candidate_commit } = request;
    const commit =
      candidate_commit !== null && hasBegun(candidate_commit)
        ? candidate_commit
        : await commitOf(deps, request, rules.entries, tip);
    if (commit !== null) early.push({ request, commit });
  }
  return early;
}

async function commitOf(
  deps: WorkspaceDeps,
  request: OpenRequest,
  entries: ProtectedBranch[],
  tip: string,
): Promise<string | null> {
  try {
    const prepared = await planRequest(deps, request, entries, tip, new Set());
    return "upToDate" in prepared ? null : prepared.row.merge_commit;
  } catch (error) {
    // Files are regenerated once people have approved.
    if (error instanceof RegenerationRequired) return null;
    if (error instanceof AppError && error.status < 500) return null;
    if (isDatabaseError(error) || deps.dataProcesses.signal.aborted) throw error;
    // It must not hold up the requests that may land.
    deps.log.error({ err: error, request: request.id }, "cannot compute a merge that waits");
    return null;
  }
}
