import { sql } from "drizzle-orm";
import type { CurrentRun, LastRun, WaitingRun } from "#shared/api/work/agents.js";
import type { Queryable } from "../../../db/connection/connect.js";
import { queueOf } from "./runs.queries.js";

/** An agent's current run, the first of its runs that wait, and the last one that has ended. */
export interface AgentRuns {
  current_run: CurrentRun | null;
  queued_run: WaitingRun | null;
  last_run: LastRun | null;
}

/** Reads the runs of agents, by the agent's id; agents without a run have no entry. */
export async function readAgentRuns(
  db: Queryable,
  agentIds: readonly string[],
): Promise<Map<string, AgentRuns>> {
  const ids = sql`${sql.param(agentIds)}::uuid[]`;
  const { rows } = await db.execute<{ agent_id: string; place: keyof AgentRuns; run: unknown }>(sql`
    select r.agent_id, 'current_run' as place, json_build_object('id', r.id, 'kind', r.kind,
      'status', r.status, 'command', r.command, 'preset', r.preset, 'started_at', ${timeOf("r.started_at")},
      'runtime_seconds', greatest(round(extract(epoch from now() - r.started_at), 4), 0)::float8,
      'stop_requested', r.stop_status is not null) as run
    from runs r where r.agent_id = any(${ids}) and r.status = 'running' and r.kind not in ('check', 'review')
    union all
    select * from (select distinct on (q.agent_id) q.agent_id, 'queued_run', json_build_object('id', r.id,
      'status', r.status, 'command', r.command, 'preset', r.preset, 'created_at', ${timeOf("r.created_at")},
      'queue_position', q.position, 'stop_requested', r.stop_status is not null)
    from (select distinct org_id from runs where agent_id = any(${ids}) and status = 'queued') waiting
    cross join lateral (${queueOf("waiting.org_id")}) q
    join runs r on r.id = q.id
    where q.agent_id = any(${ids})
    order by q.agent_id, q.position) first
    union all
    select a.agent_id, 'last_run', json_build_object('id', last.id, 'status', last.status,
      'exit_code', last.exit_code, 'ended_at', ${timeOf("last.ended_at")})
    from unnest(${ids}) a(agent_id)
    cross join lateral (select * from runs r where r.agent_id = a.agent_id and r.kind not in ('check', 'review')
      and r.started_at is not null and r.ended_at is not null
      order by r.started_at desc limit 1) last`);
  const found = new Map<string, AgentRuns>();
  for (const { agent_id, place, run } of rows) {
    const runs = found.get(agent_id) ?? { current_run: null, queued_run: null, last_run: null };
    found.set(agent_id, { ...runs, [place]: run });
  }
  return found;
}

/** As the API tells times. */
const timeOf = (column: string) =>
  sql.raw(`to_char(${column} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`);
