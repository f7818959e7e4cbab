import { and, desc, eq, notInArray, sql } from "drizzle-orm";
import type { ListedRun, TimedRun } from "#shared/api/execution/runs.js";
import type { Queryable } from "../../../db/connection/connect.js";
import { agents, runs } from "../../../db/tables/tables.js";
import { newestIds, type ListPage } from "./newest-ids.js";
import { runColumns } from "./runs.queries.js";

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
        notInArray(runs.kind, ["check", "review"]),
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

/** Lists runs of organizations, newest first. */
export function listAllRuns(
  tx: Queryable,
  orgIds: readonly string[],
  page: ListPage,
  limit: number,
): Promise<ListedRun[]> {
  // Builds have no agent.
  const listed = sql`kind not in ('check', 'review') and agent_id is not null`;
  const ids = newestIds("runs", orgIds, page, limit, listed);
  return tx
    .select({ ...runColumns, agent_name: agents.name })
    .from(runs)
    .innerJoin(agents, eq(agents.id, runs.agent_id))
    .where(sql`${runs.id} in ${ids}`)
    .orderBy(desc(runs.id));
}
