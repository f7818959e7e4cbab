/** How runs are ended, by what depends on their end. */
import { and, eq, ne, sql } from "drizzle-orm";
import type { Run } from "#shared/api/execution/runs.js";
import type { Queryable } from "../../../db/connection/connect.js";
import { agents, agentSessionInputs, runs } from "../../../db/tables/tables.js";

/** Selects one run, an agent's runs, those of a project, or all of the organization. */
export interface Which {
  id?: string;
  agentId?: string;
  projectId?: string;
}

export const matching = ({ id, agentId, projectId }: Which) =>
  and(
    id === undefined ? undefined : eq(runs.id, id),
    agentId === undefined ? undefined : eq(runs.agent_id, agentId),
    projectId === undefined
      ? undefined
      : sql`(${runs.agent_id} in (select a.id from ${agents} a where a.project_id = ${projectId})
          or ${runs.project_id} = ${projectId})`,
  );

/**
 * Selects the runs of commands on this server. Those of an agent are its own, without the checks of
 * commits that contain its work among others.
 */
export const isHosted = ({ agentId }: Which) =>
  agentId === undefined ? ne(runs.kind, "leased") : eq(runs.kind, "managed");

/** Ends active leased runs. */
export async function endLeasedRuns(
  tx: Queryable,
  which: Which,
  status: Run["status"],
  detail: string,
): Promise<void> {
  await tx
    .update(runs)
    .set({ status, detail, ended_at: sql`statement_timestamp()`, lease_expires_at: null })
    .where(and(matching(which), eq(runs.kind, "leased"), eq(runs.status, "running")));
}

/** Ends queued runs: one, an agent's, a project's agents', or all. */
export async function endQueued(
  tx: Queryable,
  which: Which,
  status: Run["status"],
  detail: string,
): Promise<number> {
  const ended = await tx
    .update(runs)
    .set({ status, detail, ended_at: sql`now()`, sealed_env: null })
    .where(and(matching(which), eq(runs.status, "queued")))
    .returning({ id: runs.id });
  return ended.length;
}

/** Requests the end of managed runs and notifies their servers; the first request wins. */
export async function requestStop(
  tx: Queryable,
  which: Which,
  status: Run["status"],
  detail: string,
): Promise<void> {
  await tx
    .update(runs)
    .set({ stop_status: status, stop_detail: detail })
    .where(
      and(
        matching(which),
        isHosted(which),
        eq(runs.status, "running"),
        sql`${runs.stop_status} is null`,
      ),
    );
}

/** Lets the prompts that wait for runs which are stopped start no program: they wait for the next prompt. */
export async function holdPrompts(tx: Queryable, which: Which): Promise<void> {
  await tx.update(agentSessionInputs).set({ is_held: true }).where(sql`kind = 'prompt'
    and taken_at is null and session_id in (select s.id from agent_sessions s join ${runs} on ${runs.id} = s.run_id
      where ${matching(which) ?? sql`true`})`);
}

/** Counts the active runs of commands on this server. With the organization's lock held, none can start. */
export async function countRunning(tx: Queryable, which: Which): Promise<number> {
  const rows = await tx
    .select({ id: runs.id })
    .from(runs)
    .where(and(matching(which), isHosted(which), eq(runs.status, "running")));
  return rows.length;
}
