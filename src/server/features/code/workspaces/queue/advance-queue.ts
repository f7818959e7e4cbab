/** Continues the merge queue of a branch. All of its state is in the database. */
import { access } from "node:fs/promises";
import {
  protectionOf,
  type ProtectedBranch,
  type RequiredReview,
} from "#shared/code/protection.js";
import { changedPaths, mayConflict } from "#git/diff/changed-paths.js";
import { resolveCommit } from "#git/store/repository.js";
import { systemOrigin } from "../../../../db/audit/audit.js";
import { isDatabaseError } from "../../../../db/connection/failures.js";
import { AppError } from "../../../../errors.js";
import { endChecks } from "./end-checks.js";
import { requireOpinions, type OpinionWait } from "./required-opinions.js";
import { recoverMergeUnderLock } from "../merges/apply-merge.js";
import * as merges from "../merges/merges.queries.js";
import { RegenerationRequired } from "../merges/planning/regenerate-files.js";
import { branchLock, branchRef, type WorkspaceDeps } from "../workspace.js";
import { definitionOf, hashOf } from "../check-definition.js";
import * as checks from "./checks.queries.js";
import type { CommitCheck, RequiredCheck } from "./checks.queries.js";
import { landRequests, rejectRequest } from "./land-requests.js";
import * as queries from "./merge-requests.queries.js";
import type { OpenRequest } from "./merge-requests.queries.js";
import { firstFailureOf, nextStep, type Step, type Verdict } from "./next-step.js";
import { planRequest, type Candidate } from "./plan-request.js";
import { readProtectedBranches } from "../branch-rules/protection.queries.js";
import {
  insertRegenerations,
  listRegenerations,
  type Regeneration,
} from "../merges/planning/regenerations.queries.js";
import { planEarly, type EarlyCandidate } from "./plan-early.js";
import { sendAdvance, type BranchQueue } from "./branch-queue.js";
import { adoptReviewChecks } from "./review-checks.js";

/** Maximum number of requests that are checked together. */
const BATCH_SIZE = 5;
/** Steps before other work of the branch gets its turn. */
const MAX_STEPS = 50;

/**
 * Continues a branch's queue until it has to wait for checks or approvals. A job for any server
 * process, sent whenever that may have changed; idempotent.
 */
export async function advanceQueue(deps: WorkspaceDeps, queue: BranchQueue): Promise<void> {
  const { org_id, project_id, branch } = queue;
  try {
    await deps.db.locks(org_id, [branchLock(project_id, branch)], async () => {
      for (let step = 1; step <= MAX_STEPS; step += 1) {
        if ((await deps.db.maintenance()) || !(await advanceOnce(deps, queue))) return;
      }
      await sendAdvance(deps, queue);
    });
  } catch (error) {
    // A periodic job tries again.
    deps.log.error({ err: error, ...queue }, "cannot continue a merge queue");
  }
}

/** The rules of a branch, and the checks that it requires. */
interface Rules {
  entries: ProtectedBranch[];
  approvals: number;
  /** Whether open threads hold merges up. */
  resolvesThreads: boolean;
  /** Second opinions that each merge needs. */
  reviews: RequiredReview[];
  required: Required[];
  /** Required checks that do not exist. */
  missing: string[];
}

/** A required check by its current definition. */
type Required = Pick<RequiredCheck, "name" | "definition" | "definition_hash">;

/** Takes one step. Returns whether another one may follow at once. */
async function advanceOnce(deps: WorkspaceDeps, queue: BranchQueue): Promise<boolean> {
  const { db } = deps;
  const { org_id, project_id, branch } = queue;
  const { open, rules, isArchived } = await db.tenant(org_id, async (tx) => ({
    isArchived: await queries.isArchived(tx, org_id),
    open: await queries.listOpen(tx, project_id, branch),
    rules: await readRules(tx, project_id, branch),
  }));
  if (isArchived) return false;
  const landing = open.find(({ merge_id }) => merge_id !== null);
  if (landing) {
    await finishLanding(deps, landing);
    return true;
  }
  const orphan = open.find(isOrphan);
  if (orphan) {
    const reason = "Its workspace is no longer active.";
    await db.tenant(org_id, (tx) => queries.endRequest(tx, orphan.id, "cancelled", reason));
    return true;
  }
  const repoPath = deps.storage.repository(org_id, project_id);
  // A missing disk must not look like a missing branch.
  await access(repoPath);
  const tip = await resolveCommit(repoPath, branchRef(branch));
  if (tip === null) {
    for (const request of open) {
      await rejectRequest(deps, request, `The branch ${branch} no longer exists.`);
    }
    await wait(deps, queue, {
      open: [],
      rules,
      tip: "",
      batch: [],
      regenerating: null,
      later: [],
      step: null,
      verdicts: [],
      early: [],
      opinions: new Map(),
    });
    return false;
  }
  const opinions = await requireOpinions(deps, queue, rules.reviews, open, tip);
  const ready = open.filter((request) => waitOfPeople(rules, request, opinions) === null);
  const planned = await planBatch(deps, rules, ready.slice(0, BATCH_SIZE), tip, new Set());
  if (planned === "changed") return true;
  const { candidates: batch, regenerating } = planned;
  const commits = [tip, ...batch.map(({ prepared }) => prepared.row.merge_commit)];
  const hashes = rules.required.map(({ definition_hash }) => definition_hash);
  await adoptReviewChecks(deps, queue, commits.slice(1), hashes);
  const results = await readResults(deps, queue, rules, commits);
  const verdicts = commits.map((commit) => verdictOf(rules, results, commit));
  const step =
    batch.length === 0 || rules.missing.length > 0
      ? null
      : keepRunning(nextStep(verdicts), verdicts, commits, results);
  if (step?.action === "land") {
    const known = JSON.stringify(rules);
    await landRequests(deps, queue, tip, batch.slice(0, step.count), async (tx) => {
      return JSON.stringify(await readRules(tx, project_id, branch)) === known;
    });
    return true;
  }
  if (step?.action === "reject") {
    const [first] = batch as [Candidate];
    const failed = results.filter(
      ({ commit_sha, status }) => commit_sha === commits[1] && status === "failed",
    );
    await rejectRequest(deps, first.request, reasonOf(failed, branch, step.wasBrokenBefore), {
      candidate_commit: first.prepared.row.merge_commit,
    });
    return true;
  }
  const later =
    step?.count === BATCH_SIZE
      ? await planParallel(deps, rules, ready.slice(BATCH_SIZE, 2 * BATCH_SIZE), batch)
      : [];
  const waiting = open.filter((request) => waitOfPeople(rules, request, opinions) !== null);
  const isChecked = rules.required.length > 0 && rules.missing.length === 0;
  const early = isChecked
    ? await planEarly(deps, queue, rules, waiting.slice(0, BATCH_SIZE), tip)
    : [];
  await adoptReviewChecks(
    deps,
    queue,
    early.map(({ commit }) => commit),
    hashes,
  );
  await wait(deps, queue, {
    open,
    rules,
    tip,
    batch,
    regenerating,
    later,
    step,
    verdicts,
    early,
    opinions,
  });
  return false;
}

/**
 * Lets a check that is running end before a larger batch is checked: otherwise each new request would
 * cancel the checks of those before it.
 */
function keepRunning(
  step: Step,
  verdicts: readonly Verdict[],
  commits: readonly string[],
  results: readonly CommitCheck[],
): Step {
  if (step.action !== "check" || firstFailureOf(verdicts) !== undefined) return step;
  const running = commits.findLastIndex(
    (commit, count) =>
      count > 0 &&
      results.some(({ commit_sha, status }) => commit_sha === commit && status === "running"),
  );
  return running > 0 && running < step.count ? { action: "check", count: running } : step;
}

async function readRules(
  tx: Parameters<typeof readProtectedBranches>[0],
  projectId: string,
  branch: string,
): Promise<Rules> {
  const entries = await readProtectedBranches(tx, projectId);
  const entry = protectionOf(entries, branch);
  const names = entry?.checks ?? [];
  const found = await checks.findChecks(tx, projectId, names);
  const required = found.map((check) => {
    const definition = definitionOf(check);
    return { name: check.name, definition, definition_hash: hashOf(check.name, definition) };
  });
  const missing = names.filter((name) => !found.some((check) => check.name === name));
  const resolvesThreads = entry?.resolve_threads === true;
  const { approvals = 0, reviews = [] } = entry ?? {};
  return { entries, approvals, resolvesThreads, reviews, required, missing };
}

/** Returns what people or reviewers have to do before a request is merged; null for nothing. */
function waitOfPeople(
  rules: Rules,
  { id, kind, approvals, open_threads }: OpenRequest,
  opinions: ReadonlyMap<string, OpinionWait>,
): Pick<ShownState, "status" | "reason"> | null {
  const lacking = rules.approvals - approvals;
  const opinion = opinions.get(id);
  const reasons: string[] = [];
  if (lacking > 0) {
    reasons.push(`Waiting for ${lacking === 1 ? "an approval" : `${lacking} approvals`}.`);
  } else if (rules.resolvesThreads && kind === "merge" && open_threads > 0) {
    const threads = open_threads === 1 ? "a thread is" : `${open_threads} threads are`;
    reasons.push(`Waiting until ${threads} resolved.`);
  }
  const isForPeople = reasons.length > 0 || opinion?.isPending === false;
  if (opinion) reasons.push(opinion.reason);
  if (reasons.length === 0) return null;
  return { status: isForPeople ? "waiting_for_approval" : "checking", reason: reasons.join(" ") };
}

const isOrphan = ({ kind, workspace_status }: OpenRequest): boolean =>
  kind === "merge" &&
  (workspace_status === null || !["active", "restoring"].includes(workspace_status));

/** Finishes or undoes the landing of a request that was interrupted. */
async function finishLanding(
  deps: WorkspaceDeps,
  { id, org_id, agent_id, merge_id }: OpenRequest,
): Promise<void> {
  if (merge_id === null) return;
  await recoverMergeUnderLock(deps, org_id, merge_id);
  await deps.db.tenant(org_id, async (tx) => {
    if (await merges.findRecorded(tx, agent_id, merge_id)) {
      await queries.endRequest(tx, id, "merged", null);
    } else await queries.updateRequest(tx, id, { merge_id: null });
  });
}

/** Requests with their merges, up to one whose files commands have to regenerate first. */
interface Batch {
  candidates: Candidate[];
  regenerating: { request: OpenRequest; regenerations: readonly Regeneration[] } | null;
}

/**
 * Computes the requests one after another, beginning on a commit. Returns "changed" after a request
 * that cannot be merged was rejected, or one without changes was ended.
 */
async function planBatch(
  deps: WorkspaceDeps,
  { entries }: Rules,
  requests: readonly OpenRequest[],
  tip: string,
  before: ReadonlySet<string>,
): Promise<Batch | "changed"> {
  const candidates: Candidate[] = [];
  const batch = (regenerating: Batch["regenerating"] = null): Batch => ({
    candidates,
    regenerating,
  });
  const ahead = new Set(before);
  let target = tip;
  for (const request of requests) {
    try {
      const prepared = await planRequest(deps, request, entries, target, ahead);
      if ("upToDate" in prepared) {
        // A candidate that contains the work already may still be rejected.
        if (ahead.size > 0) return batch();
        const reason = `There is nothing to merge into ${request.target_branch}.`;
        await deps.db.tenant(request.org_id, (tx) =>
          queries.endRequest(tx, request.id, "merged", reason),
        );
        return "changed";
      }
      candidates.push({ request, prepared });
      target = prepared.row.merge_commit;
      ahead.add(target);
    } catch (error) {
      if (error instanceof RegenerationRequired) {
        return batch({ request, regenerations: error.regenerations });
      }
      if (!(error instanceof AppError) || error.status >= 500) {
        if (isDatabaseError(error) || deps.dataProcesses.signal.aborted) throw error;
        // It must not hold up the requests behind it.
        deps.log.error({ err: error, request: request.id }, "cannot compute a queued merge");
        continue;
      }
      // A conflict with a candidate may vanish with it.
      if (ahead.size > 0) return batch();
      await rejectRequest(deps, request, error.message);
      return "changed";
    }
  }
  return batch();
}

/**
 * Computes the requests that are checked at the same time as the batch before them, as if it had
 * landed: the next ones, as long as they touch other files than the batch, so that its failure is not
 * likely to be theirs.
 */
async function planParallel(
  deps: WorkspaceDeps,
  rules: Rules,
  requests: readonly OpenRequest[],
  batch: readonly Candidate[],
): Promise<Candidate[]> {
  const [first, last] = [batch[0], batch.at(-1)];
  if (!first || !last || requests.length === 0) return [];
  const { org_id, project_id } = first.request;
  const repoPath = deps.storage.repository(org_id, project_id);
  const head = last.prepared.row.merge_commit;
  const ahead = new Set(batch.map(({ prepared }) => prepared.row.merge_commit));
  const later = await planBatch(deps, rules, requests, head, ahead);
  if (later === "changed") return [];
  const touched = await changedPaths(repoPath, first.prepared.row.target_commit, head);
  const apart: Candidate[] = [];
  for (const candidate of later.candidates) {
    const { target_commit, merge_commit } = candidate.prepared.row;
    if (mayConflict(touched, await changedPaths(repoPath, target_commit, merge_commit))) break;
    apart.push(candidate);
  }
  return apart;
}

async function readResults(
  { db }: WorkspaceDeps,
  { org_id, project_id }: BranchQueue,
  { required }: Rules,
  commits: readonly string[],
): Promise<CommitCheck[]> {
  const hashes = required.map(({ definition_hash }) => definition_hash);
  return db.tenant(org_id, (tx) => checks.listCommitChecks(tx, project_id, commits, hashes));
}

/** Returns the result of all required checks on a commit; without any it passes. */
function verdictOf({ required }: Rules, results: readonly CommitCheck[], commit: string): Verdict {
  const own = results.filter(({ commit_sha }) => commit_sha === commit);
  const requestedAt = own.map(({ created_at }) => created_at).toSorted()[0] ?? "";
  const endedAt =
    own
      .map(({ ended_at }) => ended_at ?? "")
      .toSorted()
      .at(-1) ?? "";
  if (own.some(({ status }) => status === "failed"))
    return { status: "failed", requestedAt, endedAt };
  const hasPassed = required.every(({ name }) =>
    own.some((result) => result.name === name && result.status === "passed"),
  );
  return hasPassed ? { status: "passed", requestedAt, endedAt } : { status: "unknown" };
}

function reasonOf(
  failed: readonly CommitCheck[],
  branch: string,
  wasBrokenBefore: boolean,
): string {
  const causes = failed.map(({ name, detail }) => `${name}: ${detail ?? "It failed."}`).join(" ");
  const without = wasBrokenBefore
    ? `${branch} fails without this change, too.`
    : `${branch} passes without this change.`;
  return `A check failed. ${causes} ${without}`;
}

interface Waiting {
  open: readonly OpenRequest[];
  rules: Rules;
  tip: string;
  batch: readonly Candidate[];
  regenerating: Batch["regenerating"];
  later: readonly Candidate[];
  step: Step | null;
  verdicts: readonly Verdict[];
  /** Requests that wait for people, and are checked meanwhile. */
  early: readonly EarlyCandidate[];
  opinions: ReadonlyMap<string, OpinionWait>;
}

/** Requires the checks of the step, cancels all others, and shows each request what it waits for. */
async function wait(deps: WorkspaceDeps, queue: BranchQueue, waiting: Waiting): Promise<void> {
  const { db } = deps;
  const { org_id, project_id, branch } = queue;
  const { rules, tip, batch, regenerating, later, step, verdicts, early } = waiting;
  const wanted: { commit: string; agent: string; since: string }[] = early.map(
    ({ request, commit }) => ({ commit, agent: request.agent_id, since: "" }),
  );
  if (step?.action === "check") {
    const { count } = step;
    const at = batch[Math.max(count, 1) - 1] as Candidate;
    wanted.push({
      commit: count === 0 ? tip : at.prepared.row.merge_commit,
      agent: at.request.agent_id,
      // The branch is checked once more after the failure.
      since: (count === 0 ? firstFailureOf(verdicts) : undefined) ?? "",
    });
    const last = later.at(-1);
    if (last) {
      const commit = last.prepared.row.merge_commit;
      wanted.push({ commit, agent: last.request.agent_id, since: "" });
    }
  }
  const commits = wanted.map(({ commit }) => commit);
  const hashes = rules.required.map(({ definition_hash }) => definition_hash);
  const known = await readResults(deps, queue, rules, commits);
  const changed = statesOf(waiting).filter(
    ([request, state]) =>
      request.status !== state.status ||
      request.reason !== state.reason ||
      request.candidate_commit !== state.candidate_commit,
  );
  const missing = wanted.flatMap(({ commit, agent, since }) =>
    rules.required
      .filter(
        ({ name }) =>
          !known.some(
            (result) =>
              result.commit_sha === commit &&
              result.name === name &&
              result.status !== "cancelled" &&
              result.created_at >= since,
          ),
      )
      .map((check): RequiredCheck => {
        return { org_id, project_id, agent_id: agent, branch, commit_sha: commit, ...check };
      }),
  );
  const regenerations = regenerating?.regenerations ?? [];
  commits.push(...regenerations.map(({ commit_sha }) => commit_sha));
  hashes.push(...regenerations.map(({ definition_hash }) => definition_hash));
  const isWanted = (check: { commit_sha: string; definition_hash: string }): boolean =>
    commits.includes(check.commit_sha) && hashes.includes(check.definition_hash);
  const { running, begun } = await db.tenant(org_id, async (tx) => ({
    running: await checks.listOpenChecks(tx, queue),
    begun: await listRegenerations(tx, project_id, regenerations),
  }));
  const further = regenerations.filter(
    ({ definition_hash }) =>
      !begun.some((row) => row.definition_hash === definition_hash && row.ended_at === null),
  );
  const isStarting = missing.length > 0 || further.length > 0;
  if (changed.length === 0 && !isStarting && running.every(isWanted)) return;
  await db.change(org_id, systemOrigin, async (tx) => {
    const unwanted = await checks.cancelUnwantedChecks(tx, queue, commits, hashes);
    await endChecks(tx, unwanted, "The merge queue no longer needs this check.");
    await checks.insertCommitChecks(tx, missing);
    if (regenerating) {
      const { agent_id } = regenerating.request;
      await insertRegenerations(tx, { org_id, project_id, agent_id, branch }, further);
    }
    for (const [request, state] of changed) await queries.updateRequest(tx, request.id, state);
  });
  if (isStarting) await deps.jobs.send("start-checks", {});
}

type ShownState = Pick<OpenRequest, "status" | "reason" | "candidate_commit">;

function statesOf({
  open,
  rules,
  batch,
  regenerating,
  later,
  step,
  early,
  opinions,
}: Waiting): [OpenRequest, ShownState][] {
  const under = new Map<string, string>();
  if (step?.action === "check") {
    const checked = batch.slice(0, Math.max(step.count, 1));
    for (const group of [checked, later]) {
      const commit = group.at(-1)?.prepared.row.merge_commit;
      for (const { request } of group) if (commit !== undefined) under.set(request.id, commit);
    }
  }
  const [missing] = rules.missing;
  return open.map((request): [OpenRequest, ShownState] => {
    const waiting = waitOfPeople(rules, request, opinions);
    if (waiting !== null) {
      const commit = early.find((each) => each.request === request)?.commit ?? null;
      return [request, { ...waiting, candidate_commit: commit }];
    }
    const commit = under.get(request.id);
    if (commit !== undefined) {
      return [request, { status: "checking", reason: null, candidate_commit: commit }];
    }
    if (request.id === regenerating?.request.id) {
      const reason = waitOf(regenerating.regenerations);
      return [request, { status: "checking", reason, candidate_commit: null }];
    }
    const reason =
      missing === undefined
        ? null
        : `The check ${missing} does not exist; create it, or change the protected branch.`;
    return [request, { status: "queued", reason, candidate_commit: null }];
  });
}

/** Maximum number of paths in a reason. */
const MAX_NAMED = 3;

function waitOf(regenerations: readonly Regeneration[]): string {
  const paths = regenerations.flatMap(({ definition }) => definition.paths);
  const more = paths.length > MAX_NAMED ? ` and ${paths.length - MAX_NAMED} more` : "";
  return `Regenerating ${paths.slice(0, MAX_NAMED).join(", ")}${more}.`;
}
