import { and, desc, eq, sql } from "drizzle-orm";
import type { TimedRun } from "#shared/api/runs.js";
import type { Queryable } from "../../db/connection/connect.js";
import { agents, runs } from "../../db/tables/tables.js";

interface Filter {
  /** Runs of every one of these: none, one, or (of two that differ) no run at all. */
  agentIds: readonly string[];
  /** RFC 3339 times; what ended before the first or began after the second is left out. */
  since: string | undefined;
  until: string | undefined;
  /** The id of the last run of the page before; null: from the newest. */
  after: string | null;
}

/** Runs that have begun, newest first; one that was only ever queued took no time. */
export async function listTimeline(
  tx: Queryable,
  orgId: string,
  { agentIds, since, until, after }: Filter,
  limit: number,
): Promise<TimedRun[]> {
  return tx
    .select({
      id: runs.id,
      agent_id: runs.agent_id,
      agent_name: agents.name,
      kind: runs.kind,
      status: runs.status,
      started_at: sql<string>`${runs.started_at}`.mapWith(runs.started_at),
      ended_at: runs.ended_at,
    })
    .from(runs)
    .innerJoin(agents, eq(agents.id, runs.agent_id))
    .where(
      and(
        eq(runs.org_id, orgId),
        sql`${runs.started_at} is not null`,
        ...agentIds.map((id) => eq(runs.agent_id, id)),
        since === undefined
          ? undefined
          : sql`coalesce(${runs.ended_at}, 'infinity') >= ${since}::timestamptz`,
        until === undefined ? undefined : sql`${runs.started_at} <= ${until}::timestamptz`,
        after === null ? undefined : sql`${runs.id} < ${after}`,
      ),
    )
    .orderBy(desc(runs.id))
    .limit(limit);
}
