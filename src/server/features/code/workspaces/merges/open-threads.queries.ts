/** Threads of reviews that hold merges up. */
import { sql } from "drizzle-orm";
import { protectionOf, type ProtectedBranch } from "#shared/code/protection.js";
import type { Queryable } from "../../../../db/connection/connect.js";
import { AppError } from "../../../../errors.js";

/** Counts the open threads of an agent's task, as a text of SQL; they belong to its attempt, or to an archived one. */
export const openThreadsOf = (agentId: ReturnType<typeof sql>) => sql`(
  select count(*)::int from review_threads h
  join task_attempts own on own.task_id = h.task_id and own.agent_id = ${agentId}
  join task_attempts of on of.id = h.attempt_id
  where h.resolved_at is null and (of.id = own.id or of.archived_at is not null))`;

/** @throws AppError 409 `threads_open` if the target branch requires that threads are resolved */
export async function requireThreadsResolved(
  tx: Queryable,
  agentId: string,
  entries: readonly ProtectedBranch[],
  branch: string,
): Promise<void> {
  if (protectionOf(entries, branch)?.resolve_threads !== true) return;
  const { rows } = await tx.execute<{ open: number }>(
    sql`select ${openThreadsOf(sql`${agentId}::uuid`)} as open`,
  );
  const open = rows[0]?.open ?? 0;
  if (open === 0) return;
  throw new AppError(
    "threads_open",
    `${open === 1 ? "A thread is" : `${open} threads are`} open, and ${branch} requires that all are resolved.`,
    { open_threads: open },
  );
}
