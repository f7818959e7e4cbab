import { sql, type SQL } from "drizzle-orm";
import type { Run } from "#shared/api/execution/runs.js";

/** The outcomes of a run that call for a person. A stopped run was ended by one. */
export const failures = [
  "failed",
  "timed_out",
  "lost",
  "quota_exceeded",
] as const satisfies readonly Run["status"][];

export const isFailure = (status: Run["status"]): boolean =>
  (failures as readonly string[]).includes(status);

/** The title of a run `r` with its session `s`. */
export const titleOf = sql`left(coalesce(s.title, split_part(r.prompt, E'\n', 1)), 200)`;

const lastRun = (agentId: SQL, condition: SQL): SQL => sql`(
  select r.id, r.kind, r.status, r.exit_code, r.detail, r.started_at, r.ended_at, r.session_id,
    s.status as session_status, r.command, r.preset, ${titleOf} as title
  from runs r left join agent_sessions s on s.id = r.session_id
  where r.agent_id = ${agentId} and r.kind not in ('check', 'review') and r.started_at is not null and ${condition}
  order by r.started_at desc limit 1)`;

/** The last run of an agent that has started, with its title; for a lateral join. */
export const lastRunOf = (agentId: SQL): SQL => lastRun(agentId, sql`true`);

/** The last one that has ended, also while another one works. An agent's runs follow each other. */
export const lastEndedRunOf = (agentId: SQL): SQL => lastRun(agentId, sql`r.ended_at is not null`);

/** Whether an agent has begun nothing since its run `last` ended: no run waits, and no session has begun. */
export const isAtRestSince = (agentId: SQL): SQL => sql`(last.ended_at is not null
  and not exists (select from runs q where q.org_id = a.org_id and q.status = 'queued'
    and q.agent_id = ${agentId} and q.kind not in ('check', 'review'))
  and not exists (select from agent_sessions n where n.agent_id = ${agentId}
    and n.created_at > last.ended_at))`;
