import { sql } from "drizzle-orm";
import type { Queryable } from "../../../../db/connection/connect.js";

/** How far a limit is used up, as a step that has an event. */
export type LimitLevel = 0 | 80 | 100;

/** A limit that has passed a step, or has fallen below one. */
export interface LimitUse {
  org_id: string;
  owner_id: string;
  owner: "organization" | "project" | "agent";
  owner_name: string;
  name: "runtime_hours" | "concurrent_agents" | "model_cost" | "model_tokens";
  used: number;
  limit: number;
  level: LimitLevel;
}

/**
 * Lists organizations whose run hours or concurrent runs may have changed: they have runs, had events of runs since
 * then, or have a limit that is nearly used up.
 */
export async function listActiveOrganizations(tx: Queryable, since: Date): Promise<string[]> {
  const { rows } = await tx.execute<{ org_id: string }>(sql`
    select org_id from runs where ended_at is null
    union select org_id from events where created_at > ${since.toISOString()}::timestamptz and type like 'run.%'
    union select org_id from limit_states where level > 0`);
  return rows.map(({ org_id }) => org_id);
}

/** Whether runs of agents wait in an organization's queue. */
export async function hasQueue(tx: Queryable, orgId: string): Promise<boolean> {
  const { rows } = await tx.execute(sql`
    select from runs where org_id = ${orgId} and status = 'queued' and kind in ('managed', 'leased') limit 1`);
  return rows.length > 0;
}

/** Returns the name of an organization and the recorded levels of its own quotas. */
export async function readQuotaStates(
  tx: Queryable,
  orgId: string,
): Promise<{ name: string; levels: Map<string, LimitLevel> }> {
  const { rows } = await tx.execute<{ owner_name: string; name: string | null; level: LimitLevel }>(
    sql`select o.name as owner_name, s.name, s.level from organizations o
      left join limit_states s on s.owner_id = o.id where o.id = ${orgId}`,
  );
  return {
    name: rows[0]?.owner_name ?? "",
    levels: new Map(rows.flatMap(({ name, level }) => (name === null ? [] : [[name, level]]))),
  };
}

/**
 * Lists budgets for models whose level in the current UTC month differs from the recorded one, also those that were
 * removed. Requires a system transaction.
 */
export async function listChangedBudgets(tx: Queryable): Promise<LimitUse[]> {
  const { rows } = await tx.execute<LimitUse & Record<string, unknown>>(sql`
    with owners as (
      select id as org_id, id, 'organization' as owner, name, max_model_cost_usd, max_model_tokens
      from organizations where max_model_cost_usd is not null or max_model_tokens is not null
      union all
      select org_id, id, 'project', name, max_model_cost_usd, max_model_tokens from projects
      where (max_model_cost_usd is not null or max_model_tokens is not null) and deleted_at is null
      union all
      select org_id, id, 'agent', name, max_model_cost_usd, max_model_tokens from agents
      where (max_model_cost_usd is not null or max_model_tokens is not null) and terminated_at is null
    ), uses as (
      select o.org_id, o.id as owner_id, o.owner, o.name as owner_name, u.name, u.used, u.max,
        case when u.used >= u.max then 100 when u.used >= u.max * 0.8 then 80 else 0 end as level
      from owners o
      left join model_spending m on m.owner_id = o.id
        and m.month = date_trunc('month', now() at time zone 'UTC')::date
      cross join lateral (values
        ('model_cost', coalesce(m.cost_nanousd, 0) / 1e9, o.max_model_cost_usd::numeric),
        ('model_tokens', coalesce(m.tokens, 0)::numeric, o.max_model_tokens::numeric)) as u (name, used, max)
      where u.max > 0
    )
    select coalesce(u.org_id, s.org_id) as org_id, coalesce(u.owner_id, s.owner_id) as owner_id,
      coalesce(u.owner, 'organization') as owner, coalesce(u.owner_name, '') as owner_name,
      coalesce(u.name, s.name) as name, coalesce(u.used, 0)::float8 as used,
      coalesce(u.max, 0)::float8 as limit, coalesce(u.level, 0) as level
    from uses u full join (
      select * from limit_states where name in ('model_cost', 'model_tokens') and level > 0
    ) s on s.owner_id = u.owner_id and s.name = u.name
    where coalesce(u.level, 0) <> coalesce(s.level, 0)`);
  return rows;
}

/** A threshold of a quota that goes up and down with each run is re-armed no earlier than this after its event. */
const REARM_INTERVAL = "1 day";

/**
 * Records the level of a limit, with an event if it has risen. Concurrent calls record one event. Requires a
 * transaction of the organization.
 */
export async function recordLimit(tx: Queryable, use: LimitUse): Promise<void> {
  const { org_id, owner_id, owner, owner_name, name, used, limit, level } = use;
  await tx.execute(sql`
    insert into limit_states (org_id, owner_id, name, level) values (${org_id}, ${owner_id}, ${name}, 0)
    on conflict do nothing`);
  const { rows } = await tx.execute<{ level: LimitLevel; is_recent: boolean }>(sql`
    select level, coalesce(recorded_at > clock_timestamp() - ${REARM_INTERVAL}::interval, false) as is_recent
    from limit_states where owner_id = ${owner_id} and name = ${name} for update`);
  const before = rows[0];
  if (!before || before.level === level) return;
  const isRaised = level > before.level;
  if (!isRaised && name === "concurrent_agents" && before.is_recent) return;
  await tx.execute(sql`
    update limit_states set level = ${level},
      recorded_at = case when ${isRaised} then clock_timestamp() else recorded_at end
    where owner_id = ${owner_id} and name = ${name}`);
  if (!isRaised) return;
  const data = JSON.stringify({
    organization_id: org_id,
    subject: { type: owner, id: owner_id, name: owner_name },
    actor: null,
    limit: { name, owner, percent: level, used, limit },
  });
  const type = level === 100 ? "limit.reached" : "limit.near";
  await tx.execute(sql`
    select record_event(gen_random_uuid(), ${org_id}::uuid, ${type}, ${owner_id}::uuid, ${data}::jsonb)`);
}
