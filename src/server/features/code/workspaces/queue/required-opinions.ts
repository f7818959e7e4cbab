/** Second opinions that a protected branch requires: asked for by its merge queue, which waits for them. */
import { sql } from "drizzle-orm";
import { MAX_OPINIONS } from "#shared/api/work/opinions.js";
import type { RequiredReview } from "#shared/code/protection.js";
import { patchIdOf } from "#git/diff/patch-id.js";
import { mergeBase } from "#git/store/repository.js";
import { systemOrigin } from "../../../../db/audit/audit.js";
import type { Queryable } from "../../../../db/connection/connect.js";
import { newId } from "../../../../db/tables/columns.js";
import type { BranchQueue } from "./branch-queue.js";
import { setChange, type OpenRequest } from "./merge-requests.queries.js";
import type { WorkspaceDeps } from "../workspace.js";
import { blockOf, countingOpinion, isOpenOpinion } from "../opinions/opinion-state.js";
import * as queries from "../opinions/opinions.queries.js";

/** Why second opinions hold a request up. */
export interface OpinionWait {
  reason: string;
  /** Whether it goes on without people: an opinion has not ended. */
  isPending: boolean;
}

interface ReviewedRequest extends OpenRequest {
  source_commit: string;
  base_commit: string;
}

interface AttemptOfAgent extends Record<string, unknown> {
  agent_id: string;
  attempt_id: string;
  task_id: string;
}

/**
 * Asks for the opinions that the open requests of a branch lack, and returns what those wait for, by request. A revert
 * needs none: the change that it undoes had its own.
 * @param tip the newest commit of the branch
 */
export async function requireOpinions(
  deps: WorkspaceDeps,
  queue: BranchQueue,
  required: readonly RequiredReview[],
  open: readonly OpenRequest[],
  tip: string,
): Promise<ReadonlyMap<string, OpinionWait>> {
  const waits = new Map<string, OpinionWait>();
  if (required.length === 0) return waits;
  const requests = await withChanges(deps, queue, open, tip);
  const agents = requests.map(({ agent_id }) => agent_id);
  const { attempts, given } = await deps.db.tenant(queue.org_id, async (tx) => ({
    attempts: await listAttempts(tx, agents),
    given: await queries.listOpinionsOn(tx, agents),
  }));
  const counting: string[] = [];
  const missing: { request: ReviewedRequest; attempt: AttemptOfAgent; review: RequiredReview }[] =
    [];
  for (const request of requests) {
    const attempt = attempts.find(({ agent_id }) => agent_id === request.agent_id);
    if (!attempt) {
      const reason = `${queue.branch} requires second opinions, which only the changes of tasks get.`;
      waits.set(request.id, { reason, isPending: false });
      continue;
    }
    const own = given.filter(({ agent_id }) => agent_id === request.agent_id);
    const change = { head: request.source_commit, patchId: request.patch_id };
    const states = required.map((review) => {
      const opinion = countingOpinion(own, review, change);
      if (opinion?.required === false) counting.push(opinion.id);
      if (opinion) return { reason: blockOf(opinion), isPending: isOpenOpinion(opinion) };
      missing.push({ request, attempt, review });
      return {
        reason: blockOf({ ...UNASKED, preset: review.preset }),
        isPending: true,
      };
    });
    // What people can do comes first.
    const blocking = states.toSorted((a, b) => Number(a.isPending) - Number(b.isPending));
    const first = blocking.find(({ reason }) => reason !== null);
    if (first?.reason != null) {
      waits.set(request.id, { reason: first.reason, isPending: first.isPending });
    }
  }
  if (counting.length > 0) {
    await deps.db.tenant(queue.org_id, (tx) => queries.setRequired(tx, counting));
  }
  if (missing.length === 0) return waits;
  await deps.db.change(queue.org_id, systemOrigin, async (tx) => {
    for (const { request, attempt, review } of missing) {
      const { all } = await queries.countOpinions(tx, attempt.task_id);
      if (all >= MAX_OPINIONS) {
        const reason = `The task has ${all} second opinions and gets no more; merge it from a new task.`;
        waits.set(request.id, { reason, isPending: false });
        continue;
      }
      await queries.insertOpinion(tx, {
        id: newId(),
        org_id: queue.org_id,
        project_id: queue.project_id,
        task_id: attempt.task_id,
        attempt_id: attempt.attempt_id,
        agent_id: request.agent_id,
        ...review,
        required: true,
        commit_sha: request.source_commit,
        base_sha: request.base_commit,
        patch_id: request.patch_id,
        requested_by: null,
        origin: request.origin,
      });
    }
  });
  await deps.jobs.send("start-opinions", {});
  return waits;
}

const UNASKED = { status: "queued", verdict: null, open_threads: 0, dismissed: null } as const;

/** Returns the merges with what they change, which stays the same while the target moves. */
async function withChanges(
  deps: WorkspaceDeps,
  { org_id, project_id }: BranchQueue,
  open: readonly OpenRequest[],
  tip: string,
): Promise<ReviewedRequest[]> {
  const repoPath = deps.storage.repository(org_id, project_id);
  const found: ReviewedRequest[] = [];
  for (const request of open) {
    const { id, kind, source_commit, base_commit } = request;
    if (kind !== "merge" || source_commit === null) continue;
    if (base_commit !== null) {
      found.push({ ...request, source_commit, base_commit });
      continue;
    }
    const base = (await mergeBase(repoPath, tip, source_commit)) ?? tip;
    const patch_id = await patchIdOf(repoPath, base, source_commit);
    await deps.db.tenant(org_id, (tx) => setChange(tx, id, { base_commit: base, patch_id }));
    found.push({ ...request, source_commit, base_commit: base, patch_id });
  }
  return found;
}

async function listAttempts(tx: Queryable, agentIds: readonly string[]): Promise<AttemptOfAgent[]> {
  const { rows } = await tx.execute<AttemptOfAgent>(sql`
    select agent_id, id as attempt_id, task_id from task_attempts
    where agent_id = any(${sql.param([...agentIds])}::uuid[])`);
  return rows;
}
