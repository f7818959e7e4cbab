import { sql } from "drizzle-orm";
import type { Trigger } from "#shared/api/work/automation-parts.js";
import { isHome } from "../../../../cluster/home-of.js";
import type { Queryable } from "../../../../db/connection/connect.js";
import { automations } from "../../../../db/tables/automation-tables.js";
import { isoInstant, newId } from "../../../../db/tables/columns.js";
import { nextTime } from "../schedule.js";

const isDue = (now: string, nodeId: string) => sql`
  a.status = 'active' and a.next_at <= ${now}::timestamptz and ${isHome(nodeId, sql`a.project_id`)}
  and exists (select from projects p join organizations o on o.id = p.org_id
    where p.id = a.project_id and p.deleted_at is null and o.archived_at is null)`;

/** Lists the organizations on a node with automations that are due. Requires a system transaction. */
export async function listDueOrganizations(
  tx: Queryable,
  nodeId: string,
  now: Date,
): Promise<string[]> {
  const { rows } = await tx.execute<{ org_id: string }>(sql`
    select distinct a.org_id from automations a where ${isDue(now.toISOString(), nodeId)}`);
  return rows.map(({ org_id }) => org_id);
}

/** Lists the organizations with automations. Requires a system transaction. */
export async function listOrganizations(tx: Queryable): Promise<string[]> {
  const rows = await tx.selectDistinct({ org_id: automations.org_id }).from(automations);
  return rows.map(({ org_id }) => org_id);
}

/** Returns when the next automation is due, on any node; null if none is. Requires a system transaction. */
export async function nextDue(tx: Queryable): Promise<Date | null> {
  const { rows } = await tx.execute<{ next: string | null }>(sql`
    select min(next_at) as next from automations where status = 'active' and next_at is not null`);
  const next = rows[0]?.next ?? null;
  return next === null ? null : new Date(isoInstant(next));
}

interface DueRow extends Record<string, unknown> {
  id: string;
  project_id: string;
  triggers: Trigger[];
  next_at: string;
}

/**
 * Moves the automations of an organization that are due on to their next time, and adds a firing for each, in the
 * transaction: of any number of servers, one does. Times that have passed meanwhile are one firing. Returns how many.
 * @param now the server's clock; a clock that was set back repeats no time
 */
export async function claimSchedules(
  tx: Queryable,
  nodeId: string,
  orgId: string,
  { now, limit }: { now: Date; limit: number },
): Promise<number> {
  const { rows } = await tx.execute<DueRow>(sql`
    select a.id, a.project_id, a.triggers, a.next_at from automations a
    where a.org_id = ${orgId} and ${isDue(now.toISOString(), nodeId)}
    order by a.next_at, a.id limit ${limit} for no key update of a skip locked`);
  if (rows.length === 0) return 0;
  const claims = rows.map(({ id, project_id, triggers, next_at }) => {
    const due = new Date(isoInstant(next_at));
    const next = nextTime(triggers, due > now ? due : now);
    const at = due.toISOString();
    return { id, project_id, at, next: next?.toISOString() ?? null, firing: newId() };
  });
  const list = JSON.stringify(claims);
  await tx.execute(sql`
      with claimed as (
        update automations a set next_at = c.next
        from jsonb_to_recordset(${list}::jsonb)
          as c(id uuid, project_id uuid, at timestamptz, next timestamptz, firing uuid)
        where a.id = c.id and a.next_at = c.at
        returning a.id, c.project_id, c.at, c.firing
      )
      insert into automation_firings (id, org_id, project_id, automation_id, event_id, type, event, at)
      select firing, ${orgId}::uuid, project_id, id, 'schedule ' || wire_time(at), 'schedule',
        '{"trust": "trusted", "by": null, "values": {}}', at from claimed
      on conflict (automation_id, event_id) do nothing`);
  return rows.length;
}
