/** The choices of persons. Everything here requires a system transaction. */
import { sql } from "drizzle-orm";
import type { NotificationChoice } from "#shared/api/work/notifications.js";
import type { Queryable } from "../../../../db/connection/connect.js";

export interface StoredChoice extends NotificationChoice {
  org_id: string | null;
}

export async function listChoices(tx: Queryable, userId: string): Promise<StoredChoice[]> {
  const { rows } = await tx.execute<StoredChoice & Record<string, unknown>>(sql`
    select org_id, kind, email, webhook, scope from notification_choices where user_id = ${userId}`);
  return rows;
}

/** Replaces the choices of a person, for an organization or for all others (null). */
export async function replaceChoices(
  tx: Queryable,
  userId: string,
  orgId: string | null,
  choices: readonly NotificationChoice[],
): Promise<void> {
  // The lock lets concurrent replacements follow each other.
  await tx.execute(sql`select from users where id = ${userId} for update`);
  await tx.execute(sql`
    delete from notification_choices where user_id = ${userId} and org_id is not distinct from ${orgId}`);
  await tx.execute(sql`
    insert into notification_choices (user_id, org_id, kind, email, webhook, scope)
    select ${userId}::uuid, ${orgId}::uuid, c.kind, c.email, c.webhook, c.scope
    from jsonb_to_recordset(${JSON.stringify(choices)}::jsonb)
      as c(kind text, email boolean, webhook boolean, scope text)`);
}

export interface Addressee {
  email: string;
  is_verified: boolean;
}

export async function findAddressee(tx: Queryable, userId: string): Promise<Addressee | undefined> {
  const { rows } = await tx.execute<Addressee & Record<string, unknown>>(
    sql`select email, is_verified from users where id = ${userId}`,
  );
  return rows[0];
}

/** Lists the organizations of a person that are not archived. */
export async function listOrganizations(
  tx: Queryable,
  userId: string,
): Promise<{ id: string; name: string; slug: string }[]> {
  const { rows } = await tx.execute<{ id: string; name: string; slug: string }>(sql`
    select o.id, o.name, o.slug from memberships m join organizations o on o.id = m.org_id
    where m.user_id = ${userId} and o.archived_at is null order by lower(o.name), o.id`);
  return rows;
}
