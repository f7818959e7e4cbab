import { and, asc, eq, gt, inArray, sql, type SQL } from "drizzle-orm";
import type { Automation } from "#shared/api/work/automations.js";
import type { Queryable } from "../../../db/connection/connect.js";
import { automations } from "../../../db/tables/automation-tables.js";
import { nextTimes } from "./schedule.js";

export type AutomationRow = typeof automations.$inferSelect;

type Person = Automation["owner"];
const person = (id: SQL): SQL<Person> => sql<Person>`(
  select json_build_object('type', case u.kind when 'service' then 'service_account' else 'user' end, 'id', u.id,
    'name', coalesce(u.full_name, u.email))
  from users u join memberships m on m.user_id = u.id and m.org_id = ${automations.org_id}
  where u.id = ${id})`;

const shown = {
  row: automations,
  owner: person(sql`${automations.owner_id}`),
  acts_as: person(sql`coalesce(${automations.service_account_id}, ${automations.owner_id})`),
};

function present({
  row,
  owner,
  acts_as,
}: {
  row: AutomationRow;
  owner: Person;
  acts_as: Person;
}): Automation {
  const { id, project_id, name, status, status_reason, triggers, filter, action, overlap } = row;
  const { per_day, at_once, cost_usd_per_day, last_fired_at, next_at, created_at, updated_at } =
    row;
  return {
    id,
    project_id,
    name,
    status,
    status_reason,
    triggers,
    filter,
    action,
    owner,
    acts_as,
    limits: { per_day, at_once, cost_usd_per_day },
    overlap,
    last_fired_at,
    next_at,
    next: nextTimes(triggers, new Date()),
    created_at,
    updated_at,
  };
}

/** Lists the automations of a project in the order of their creation, after an id. */
export async function listAutomations(
  tx: Queryable,
  projectId: string,
  after: string | null,
  limit: number,
): Promise<Automation[]> {
  const rows = await tx
    .select(shown)
    .from(automations)
    .where(
      and(
        eq(automations.project_id, projectId),
        after === null ? undefined : gt(automations.id, after),
      ),
    )
    .orderBy(asc(automations.id))
    .limit(limit);
  return rows.map(present);
}

export async function findAutomation(
  tx: Queryable,
  projectId: string,
  id: string,
): Promise<Automation | undefined> {
  const [found] = await tx
    .select(shown)
    .from(automations)
    .where(and(eq(automations.id, id), eq(automations.project_id, projectId)));
  return found && present(found);
}

export async function findRow(tx: Queryable, id: string): Promise<AutomationRow | undefined> {
  const [row] = await tx.select().from(automations).where(eq(automations.id, id));
  return row;
}

export async function findRows(tx: Queryable, ids: readonly string[]): Promise<AutomationRow[]> {
  return ids.length === 0
    ? []
    : tx
        .select()
        .from(automations)
        .where(inArray(automations.id, [...ids]));
}

/** Like `lockAutomation`, for many. */
export async function lockAutomations(
  tx: Queryable,
  ids: readonly string[],
): Promise<AutomationRow[]> {
  return tx
    .select()
    .from(automations)
    .where(inArray(automations.id, [...ids]))
    .orderBy(asc(automations.id))
    .for("no key update");
}

/** Records that automations have fired. */
export async function setFired(tx: Queryable, ids: readonly string[]): Promise<void> {
  if (ids.length === 0) return;
  await tx
    .update(automations)
    .set({ last_fired_at: sql`clock_timestamp()` })
    .where(inArray(automations.id, [...ids]));
}

/** Finds an automation and locks its row, so that its limits are judged by one server at a time. */
export async function lockAutomation(
  tx: Queryable,
  id: string,
): Promise<AutomationRow | undefined> {
  const [row] = await tx
    .select()
    .from(automations)
    .where(eq(automations.id, id))
    .for("no key update");
  return row;
}

/** Lists the active automations of a project that listen to a type of event. */
export function listListening(
  tx: Queryable,
  projectId: string,
  type: string,
): Promise<AutomationRow[]> {
  return tx
    .select()
    .from(automations)
    .where(
      and(
        eq(automations.project_id, projectId),
        eq(automations.status, "active"),
        sql`${automations.event_types} @> array[${type}]`,
      ),
    )
    .orderBy(asc(automations.id));
}

export function countAutomations(tx: Queryable, projectId: string): Promise<number> {
  return tx.$count(automations, eq(automations.project_id, projectId));
}

export async function listNames(tx: Queryable, projectId: string): Promise<string[]> {
  const rows = await tx
    .select({ name: automations.name })
    .from(automations)
    .where(eq(automations.project_id, projectId));
  return rows.map(({ name }) => name);
}

export async function insertAutomation(
  tx: Queryable,
  row: typeof automations.$inferInsert,
): Promise<void> {
  await tx.insert(automations).values(row);
}

export async function updateAutomation(
  tx: Queryable,
  id: string,
  changes: Partial<typeof automations.$inferInsert>,
): Promise<void> {
  await tx.update(automations).set(changes).where(eq(automations.id, id));
}

export async function deleteAutomation(tx: Queryable, id: string): Promise<void> {
  await tx.delete(automations).where(eq(automations.id, id));
}

/** Finds an automation by its id alone, with the state of its project. Requires a system transaction. */
export async function findByAddress(tx: Queryable, id: string): Promise<AutomationRow | undefined> {
  const [row] = await tx
    .select()
    .from(automations)
    .where(
      and(
        eq(automations.id, id),
        sql`exists (select from projects p join organizations o on o.id = p.org_id
          where p.id = ${automations.project_id} and p.deleted_at is null and o.archived_at is null)`,
      ),
    );
  return row;
}

/** Reads the patterns of a service account's role; undefined for one that the organization does not have. */
export async function readServiceAccount(
  tx: Queryable,
  orgId: string,
  id: string,
): Promise<{ patterns: string[] } | undefined> {
  const { rows } = await tx.execute<{ patterns: string[] }>(sql`
    select role_patterns(m.role_id) as patterns
    from service_accounts s join users u on u.id = s.id and u.is_active
    join memberships m on m.user_id = s.id and m.org_id = s.org_id
    where s.org_id = ${orgId} and s.id = ${id} and s.deleted_at is null`);
  return rows[0];
}
