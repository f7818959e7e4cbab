/** What automations have used of their limits. */
import { sql } from "drizzle-orm";
import type { Trigger } from "#shared/api/work/automation-parts.js";
import type { Queryable } from "../../../db/connection/connect.js";
import { zoneOf } from "./schedule.js";

/** A task that an automation has under way: an agent works on it, or it waits for something. */
const isUnderWay = sql`(t.resolution is null and (t.status in ('waiting', 'working', 'merging')
  or t.launch is not null and t.start_error is null
  or t.status = 'needs_you' and t.attention ->> 'kind' <> 'no_changes'))`;

export interface Use extends Record<string, unknown> {
  firings: number;
  queued: number;
  /** Ids of tasks under way, oldest first. */
  under_way: string[];
  /** Ids of checks under way, oldest first. */
  checks_under_way: string[];
  cost_usd: number;
}

/** Reads what automations have used of their limits. Days begin in the zone of each; the cost's in UTC. */
export async function readUses(
  tx: Queryable,
  automations: readonly { id: string; triggers: Trigger[] }[],
): Promise<Map<string, Use>> {
  const asked = JSON.stringify(
    automations.map(({ id, triggers }) => ({ id, zone: zoneOf(triggers) })),
  );
  const { rows } = await tx.execute<Use & { id: string }>(sql`
    select x.id,
      (select count(*)::int from automation_firings f where f.automation_id = x.id
        and f.decision in ('fired', 'acting')
        and coalesce(f.decided_at, f.created_at) >= (date_trunc('day', clock_timestamp() at time zone x.zone) at time zone x.zone)
      ) as firings,
      (select count(*)::int from automation_firings f
        where f.automation_id = x.id and f.decision = 'queued') as queued,
      array(select t.id from tasks t where ${isUnderWay} and t.id in (
        select f.task_id from automation_firings f where f.automation_id = x.id
          and f.decision in ('fired', 'acting') and f.created_at > clock_timestamp() - interval '90 days')
        order by t.id) as under_way,
      array(select c.id from commit_checks c where c.ended_at is null and c.firing_id in (
        select f.id from automation_firings f where f.automation_id = x.id)
        order by c.id) as checks_under_way,
      (select coalesce(sum(u.cost_nanousd) / 1e9, 0)::float8 from model_usage u
        join runs r on r.id = u.run_id join task_attempts a on a.agent_id = r.agent_id
        where u.day = (clock_timestamp() at time zone 'UTC')::date and u.org_id = a.org_id
          and a.task_id in (select f.task_id from automation_firings f where f.automation_id = x.id)
      ) as cost_usd
    from jsonb_to_recordset(${asked}::jsonb) as x(id uuid, zone text)`);
  return new Map(rows.map(({ id, ...use }) => [id, use]));
}
