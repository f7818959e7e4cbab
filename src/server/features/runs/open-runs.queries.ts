import { sql } from "drizzle-orm";
import type { CurrentRun, WaitingRun } from "#shared/api/agents.js";
import type { Queryable } from "../../db/connection/connect.js";
import { queueOf } from "./runs.queries.js";

/** An agent's current run and its next queued run. */
export interface OpenRuns {
  current_run: CurrentRun | null;
  queued_run: WaitingRun | null;
}

/** Returns the open runs by agent id, omitting agents without any. */
export async function readOpenRuns(
  db: Queryable,
  agentIds: readonly string[],
): Promise<Map<string, OpenRuns>> {
  const ids = sql`${sql.param(agentIds)}::uuid[]`;
  const { rows } = await db.execute<{ agent_id: string; current: boolean; run: unknown }>(sql`
    select r.agent_id, true as current, json_build_object('id', r.id, 'kind', r.kind,
      'status', r.status, 'command', r.command, 'started_at', ${timeOf("r.started_at")},
      'runtime_seconds', greatest(round(extract(epoch from now() - r.started_at), 4), 0)::float8,
      'stop_requested', r.stop_status is not null) as run
    from runs r where r.agent_id = any(${ids}) and r.status = 'running'
    union all
    select * from (select distinct on (q.agent_id) q.agent_id, false, json_build_object('id', r.id,
      'status', r.status, 'command', r.command, 'created_at', ${timeOf("r.created_at")},
      'queue_position', q.position, 'stop_requested', r.stop_status is not null)
    from (select distinct org_id from runs where agent_id = any(${ids}) and status = 'queued') waiting
    cross join lateral (${queueOf("waiting.org_id")}) q
    join runs r on r.id = q.id
    where q.agent_id = any(${ids})
    order by q.agent_id, q.position) first`);
  const found = new Map<string, OpenRuns>();
  for (const { agent_id, current, run } of rows) {
    const open = found.get(agent_id) ?? { current_run: null, queued_run: null };
    if (current) open.current_run = run as CurrentRun;
    else open.queued_run = run as WaitingRun;
    found.set(agent_id, open);
  }
  return found;
}

/** Formats a timestamp for the API. */
const timeOf = (column: string) =>
  sql.raw(`to_char(${column} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`);
