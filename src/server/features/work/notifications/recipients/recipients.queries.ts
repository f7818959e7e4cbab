import { sql } from "drizzle-orm";
import { kindOfEvent, notificationKinds } from "#shared/work/notification-kinds.js";
import type { Queryable } from "../../../../db/connection/connect.js";
import { systemRoleIds } from "../../../../db/migrate.js";
import { chosen, isPerson } from "./insert-notifications.queries.js";

/** An event that waits for its recipients. */
export interface QueuedEvent extends Record<string, unknown> {
  id: string;
  org_id: string;
  type: string;
  subject_id: string;
  data: Record<string, unknown>;
  /** RFC 3339 */
  created_at: string;
  is_archived: boolean;
}

/** Takes the oldest waiting events; other processes take others. */
export async function takeEvents(tx: Queryable, limit: number): Promise<QueuedEvent[]> {
  const { rows } = await tx.execute<QueuedEvent>(sql`
    with taken as (
      select q.event_id from notification_queue q join events e on e.id = q.event_id
      order by e.number limit ${limit} for update of q skip locked
    ), gone as (
      delete from notification_queue q using taken where q.event_id = taken.event_id
    )
    select e.id, e.org_id, e.type, e.subject_id, wire_time(e.created_at) as created_at,
      o.archived_at is not null as is_archived,
      e.data || case when e.type = 'api_key.expiring' then coalesce((
        select jsonb_build_object('api_key', jsonb_build_object('expires_at', wire_time(k.expires_at),
          'is_own', false)) from api_keys k where k.id = e.subject_id), '{}')
        when e.type = 'automation.paused' then coalesce((
          select jsonb_build_object('automation', jsonb_build_object('project_id', a.project_id,
            'reason', a.status_reason)) from automations a where a.id = e.subject_id), '{}') else '{}' end as data
    from taken join events e on e.id = taken.event_id join organizations o on o.id = e.org_id
    order by e.number`);
  return rows;
}

/**
 * Lists the members of an organization who get the events of a type about anyone: those who have chosen
 * all, or every member with the permissions where a type is for all of them.
 */
export async function listListeners(
  tx: Queryable,
  { orgId, type, roles }: { orgId: string; type: string; roles: readonly string[] },
): Promise<string[]> {
  const kind = kindOfEvent(type);
  if (kind === undefined || roles.length === 0) return [];
  const isForAll = isForAllMembers(type);
  const { scope } = notificationKinds[kind].default;
  // Without the first condition every member would be read for every event.
  const { rows } = await tx.execute<{ id: string }>(sql`
    select u.id from memberships m join users u on u.id = m.user_id and ${isPerson}
    cross join (select ${kind}::text as kind, ${orgId}::uuid as org_id) w
    left join lateral ${chosen} c on true
    where m.org_id = ${orgId} and m.role_id = any(${sql.param([...roles])}::uuid[])
      and (${isForAll} or m.user_id in (
        select user_id from notification_choices where kind = ${kind} and scope = 'all'))
      and (${isForAll} or coalesce(c.scope, ${scope}::text) = 'all')`);
  return rows.map(({ id }) => id);
}

/** Whether a type is for every member with its permissions: it is about the organization, or asks any of them. */
const isForAllMembers = (type: string): boolean =>
  type.startsWith("limit.") || type === "merge_request.waiting_for_approval";

/** The person behind a row's `started_by` or `created_by`, or behind the agent's credential. */
const personOf = (by: string, origin: string) =>
  sql.raw(`coalesce(case when ${by} ->> 'type' = 'user' then ${by} ->> 'id' end,
    ${origin} #>> '{actor,userId}')::uuid`);

/**
 * Lists the persons whose own work events are about: who started the run, the session, or the last run of the
 * workspace, or queued the merge, by whatever credential. The key of a service account is that of its maker and of the
 * organization's owners.
 */
export async function listOwners(
  tx: Queryable,
  events: readonly QueuedEvent[],
): Promise<{ id: string; user_id: string; role_id: string }[]> {
  const list = JSON.stringify(events.map(({ data: _data, ...event }) => event));
  const { rows } = await tx.execute<{ id: string; user_id: string; role_id: string }>(sql`
    select e.id, m.user_id, m.role_id
    from jsonb_to_recordset(${list}::jsonb) as e(id uuid, org_id uuid, type text, subject_id uuid)
    cross join lateral (
      select ${personOf("r.started_by", "r.origin")} as user_id from runs r
      where e.type like 'run.%' and r.id = e.subject_id
      union
      select ${personOf("s.created_by", "r.origin")} from agent_sessions s left join runs r on r.id = s.run_id
      where e.type like 'session.%' and s.id = e.subject_id
      union
      select ${personOf("r.started_by", "r.origin")} from (
        select started_by, origin from runs where e.type = 'conflict.predicted'
          and agent_id = e.subject_id and kind in ('managed', 'leased')
        order by started_at desc nulls first limit 1) r
      union
      select (q.origin #>> '{actor,userId}')::uuid from merge_requests q
      where e.type = 'merge_request.rejected' and q.id = e.subject_id
      union
      select a.owner_id from automations a where e.type = 'automation.paused' and a.id = e.subject_id
      union
      select o.user_id from api_keys k join service_accounts a on a.id = k.user_id
      join memberships o on o.org_id = a.org_id
        and (o.role_id = ${systemRoleIds.owner} or o.user_id = k.created_by)
      where e.type = 'api_key.expiring' and k.id = e.subject_id
    ) p
    join memberships m on m.org_id = e.org_id and m.user_id = p.user_id`);
  return rows;
}

/** Lists persons that events do not ask: who queued the merge, and the owner of the key, who gets another one. */
export async function listExcluded(
  tx: Queryable,
  events: readonly QueuedEvent[],
): Promise<{ id: string; user_id: string }[]> {
  const list = JSON.stringify(events.map(({ data: _data, ...event }) => event));
  const { rows } = await tx.execute<{ id: string; user_id: string }>(sql`
    select e.id, p.user_id
    from jsonb_to_recordset(${list}::jsonb) as e(id uuid, type text, subject_id uuid)
    cross join lateral (
      select (q.origin #>> '{actor,userId}')::uuid as user_id from merge_requests q
      where e.type = 'merge_request.waiting_for_approval' and q.id = e.subject_id
        and q.origin -> 'actor' ->> 'agent' is null
      union
      select k.user_id from api_keys k where e.type = 'api_key.expiring' and k.id = e.subject_id
    ) p where p.user_id is not null`);
  return rows;
}
