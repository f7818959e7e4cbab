import type { Thread } from "#shared/api/work/threads.js";
import { groupBy } from "#shared/node/group-by.js";
import { blobsAt } from "#git/anchor/anchor-ranges.js";
import { notFound } from "../../../errors.js";
import type { CallerContext } from "../../../http/requests/request-context.js";
import type { RunDeps } from "../../execution/runs/start.js";
import { mainAttempt, readAttempts, type ReadAttempt, type ReadTask } from "../tasks/index.js";
import { placesOf } from "./place-threads.js";
import { changeOf, findTask, type Change } from "./reviewed-attempt.js";
import * as queries from "./threads.queries.js";
import type { ReadThread } from "./threads.queries.js";

/** Reads threads by their ids, oldest first. @throws AppError 404 if one of them is not the caller's to see */
export async function readThreads(
  deps: RunDeps,
  context: CallerContext,
  ids: readonly string[],
): Promise<Thread[]> {
  const { task, attempts, threads } = await context.tx(async (tx) => {
    const found = await queries.findThreads(tx, ids);
    const [first] = found;
    if (!first || found.length !== ids.length) throw notFound();
    if (found.some(({ task_id }) => task_id !== first.task_id)) throw notFound();
    return {
      task: await findTask(tx, context, first.task_id),
      attempts: await readAttempts(tx, [first.task_id]),
      threads: found,
    };
  });
  return presentThreads(deps, task, attempts, threads);
}

/** @throws AppError 404 */
export async function readThread(
  deps: RunDeps,
  context: CallerContext,
  id: string,
): Promise<Thread> {
  const [thread] = await readThreads(deps, context, [id]);
  if (!thread) throw notFound();
  return thread;
}

/**
 * Returns the attempt in whose newest commit a thread stands: its own, or the chosen or only one once that is
 * archived, so that threads move along.
 */
export function attemptOfThread(
  task: Pick<ReadTask, "chosen_attempt_id">,
  attempts: readonly ReadAttempt[],
  { attempt_id }: Pick<ReadThread, "attempt_id">,
): ReadAttempt | undefined {
  const own = attempts.find(({ id }) => id === attempt_id);
  return own?.status === "archived" ? (mainAttempt(task, attempts) ?? own) : own;
}

/** Shows threads of a task at their places in the newest commits. */
export async function presentThreads(
  deps: RunDeps,
  task: ReadTask,
  attempts: readonly ReadAttempt[],
  threads: readonly ReadThread[],
): Promise<Thread[]> {
  const shown = new Map<string, Thread>();
  const byAttempt = groupBy(threads, (thread) => attemptOfThread(task, attempts, thread));
  for (const [attempt, own] of byAttempt) {
    const change = attempt ? await changeOf(deps, task, attempt) : null;
    for (const thread of await placeThreads(change, own)) shown.set(thread.id, thread);
  }
  return threads.flatMap(({ id }) => shown.get(id) ?? []);
}

async function placeThreads(
  change: Change | null,
  threads: readonly ReadThread[],
): Promise<Thread[]> {
  const places = change ? await placesOf(change, threads) : [];
  const unchanged = change ? await resolvedWithoutChange(change, threads) : new Set<string>();
  return threads.map((thread, index) => {
    const original = {
      path: thread.path,
      side: thread.side,
      line: thread.line,
      start_line: thread.start_line,
    };
    const place = places[index] ?? null;
    return {
      id: thread.id,
      task_id: thread.task_id,
      attempt_id: thread.attempt_id,
      ...(place ?? original),
      outdated: place === null,
      original: { ...original, commit_sha: thread.commit_sha, text: thread.text },
      resolved_at: thread.resolved_at,
      resolved_by: thread.resolved_by,
      resolved_without_change: unchanged.has(thread.id),
      suggestion: suggestionOf(thread, place !== null),
      comments: thread.comments.map(({ applied_sha: _sha, ...comment }) => comment),
      created_at: thread.created_at,
      updated_at: thread.updated_at,
    };
  });
}

/** Returns the newest suggestion of a thread. */
function suggestionOf({ comments }: ReadThread, isPlaced: boolean): Thread["suggestion"] {
  const newest = comments.findLast(({ suggestion }) => suggestion !== null);
  if (newest?.suggestion == null) return null;
  const { id: comment_id, suggestion: text, applied_sha: commit_sha } = newest;
  const state = commit_sha !== null ? "applied" : isPlaced ? "open" : "outdated";
  return { comment_id, text, state, commit_sha };
}

/** Returns the threads that an agent has resolved while their files are as they were when they were reviewed. */
async function resolvedWithoutChange(
  { repoPath, head }: Change,
  threads: readonly ReadThread[],
): Promise<Set<string>> {
  const byAgent = threads.filter(({ resolved_by }) => resolved_by?.type === "agent");
  const blobs = await blobsAt(
    repoPath,
    byAgent.flatMap(({ reviewed_sha, path }) => [
      { commit: reviewed_sha, path },
      { commit: head, path },
    ]),
  );
  return new Set(
    byAgent.flatMap(({ id, reviewed_sha }, index) => {
      const [before, now] = [blobs[2 * index] ?? null, blobs[2 * index + 1] ?? null];
      // A renamed file has no content at its path: then any commit counts.
      const isSame = before === null ? reviewed_sha === head : before.oid === now?.oid;
      return isSame ? [id] : [];
    }),
  );
}
