/**
 * Commands that regenerate files of merges. They are checks of a commit that only they use, and share
 * the slots, the recovery and the logs of checks.
 */
import { and, eq, inArray, isNull, sql } from "drizzle-orm";
import type { Queryable } from "../../../../../db/connection/connect.js";
import { newId } from "../../../../../db/tables/columns.js";
import {
  commitChecks,
  type CheckDefinition,
  type CheckOutput,
  workspaces,
} from "../../../../../db/tables/workspace-tables.js";

/** A command and the commit on which it runs. */
export interface Regeneration {
  commit_sha: string;
  definition: CheckDefinition & { paths: string[] };
  definition_hash: string;
}

/** The newest state of a regeneration. */
export type StoredRegeneration = Pick<
  typeof commitChecks.$inferSelect,
  "id" | "definition_hash" | "status" | "run_id" | "detail" | "outputs" | "created_at" | "ended_at"
>;

type Key = Pick<Regeneration, "commit_sha" | "definition_hash">;

const isOneOf = (projectId: string, keys: readonly Key[]) =>
  and(
    eq(commitChecks.project_id, projectId),
    inArray(commitChecks.commit_sha, [...new Set(keys.map(({ commit_sha }) => commit_sha))]),
    inArray(
      commitChecks.definition_hash,
      keys.map(({ definition_hash }) => definition_hash),
    ),
  );

/** Returns the newest state of each regeneration. All of them are of one commit. */
export async function listRegenerations(
  tx: Queryable,
  projectId: string,
  keys: readonly Key[],
): Promise<StoredRegeneration[]> {
  if (keys.length === 0) return [];
  return tx
    .selectDistinctOn([commitChecks.definition_hash], {
      id: commitChecks.id,
      definition_hash: commitChecks.definition_hash,
      status: commitChecks.status,
      // Null if it could not be started.
      run_id: sql<string | null>`(select r.id from runs r where r.id = ${commitChecks.run_id})`,
      detail: commitChecks.detail,
      outputs: commitChecks.outputs,
      created_at: commitChecks.created_at,
      ended_at: commitChecks.ended_at,
    })
    .from(commitChecks)
    .where(isOneOf(projectId, keys))
    .orderBy(commitChecks.definition_hash, sql`${commitChecks.id} desc`);
}

/**
 * Queues regenerations, except those that are open.
 * @param place `branch` is null if a request waits for them instead of the branch's queue
 * @returns the ids of the new ones
 */
export async function insertRegenerations(
  tx: Queryable,
  place: { org_id: string; project_id: string; agent_id: string; branch: string | null },
  regenerations: readonly Regeneration[],
): Promise<string[]> {
  if (regenerations.length === 0) return [];
  const inserted = await tx
    .insert(commitChecks)
    .values(
      regenerations.map((regeneration) => ({
        id: newId(),
        ...place,
        ...regeneration,
        name: "regenerate",
        status: "queued" as const,
      })),
    )
    .onConflictDoNothing()
    .returning({ id: commitChecks.id });
  return inserted.map(({ id }) => id);
}

/** Cancels open regenerations, and returns the runs to be stopped. */
export async function cancelRegenerations(
  tx: Queryable,
  ids: readonly string[],
): Promise<string[]> {
  if (ids.length === 0) return [];
  const cancelled = await tx
    .update(commitChecks)
    .set({
      status: "cancelled",
      detail: "Nothing waits for it any more.",
      ended_at: sql`clock_timestamp()`,
    })
    .where(and(inArray(commitChecks.id, [...ids]), isNull(commitChecks.ended_at)))
    .returning({ run_id: commitChecks.run_id });
  return cancelled.flatMap(({ run_id }) => run_id ?? []);
}

/**
 * Returns the files that a run regenerates, and the branch of its agent's workspace; undefined for a
 * check.
 */
export async function findRegenerationOf(
  tx: Queryable,
  runId: string,
): Promise<{ paths: string[]; project_id: string; branch: string } | undefined> {
  const [row] = await tx
    .select({
      definition: commitChecks.definition,
      project_id: commitChecks.project_id,
      branch: workspaces.branch_name,
    })
    .from(commitChecks)
    .leftJoin(workspaces, eq(workspaces.agent_id, commitChecks.agent_id))
    .where(and(eq(commitChecks.run_id, runId), isNull(commitChecks.ended_at)));
  const paths = row?.definition.paths;
  return paths && { paths, project_id: row.project_id, branch: row.branch ?? "" };
}

/** Stores the files that a run has regenerated, or why they are refused, before the run ends. */
export async function storeOutputs(
  tx: Queryable,
  runId: string,
  result: { outputs: CheckOutput[] } | { detail: string },
): Promise<void> {
  await tx
    .update(commitChecks)
    .set(result)
    .where(and(eq(commitChecks.run_id, runId), isNull(commitChecks.ended_at)));
}
