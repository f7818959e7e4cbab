import { and, desc, eq, ne, sql } from "drizzle-orm";
import type { TimedRun } from "#shared/api/agents/runs.js";
import type { Queryable } from "../../db/connection/connect.js";
import { agents, runs } from "../../db/tables/tables.js";

interface Filter {
  /** Restricts the runs to these agents; two different ids match no run. */
  agentIds: readonly string[];
  /** RFC 3339 times; runs that ended before `since` or began after `until` are omitted. */
  since: string | undefined;
  until: string | undefined;
  /** The id of the previous page's last run; null starts at the newest. */
  after: string | null;
}

/** Lists started runs of agents, newest first; a run that was only queued took no time. */
export async function listTimeline(
  tx: Queryable,
  orgId: string,
  { agentIds, since, until, after }: Filter,
  limit: number,
): Promise<TimedRun[]> {
  return tx
    .select({
      id: runs.id,
      agent_id: agents.id,
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
        ne(runs.kind, "check"),
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
