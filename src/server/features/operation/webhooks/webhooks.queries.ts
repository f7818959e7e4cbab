import { asc, count, eq, gt, sql } from "drizzle-orm";
import type { Webhook } from "#shared/api/operation/webhooks.js";
import type { Queryable } from "../../../db/connection/connect.js";
import { users } from "../../../db/tables/identity-tables.js";
import { organizations, webhooks } from "../../../db/tables/tables.js";

const webhookColumns = {
  id: webhooks.id,
  url: webhooks.url,
  events: webhooks.events,
  description: webhooks.description,
  enabled: webhooks.enabled,
  disabled_reason: webhooks.disabled_reason,
  disabled_at: webhooks.disabled_at,
  failing_since: webhooks.failing_since,
  previous_secret_expires_at: sql<string | null>`case
    when ${webhooks.previous_secret_expires_at} > now() then ${webhooks.previous_secret_expires_at}
    end`.mapWith(webhooks.previous_secret_expires_at),
  created_by: { id: users.id, name: sql<string>`coalesce(${users.full_name}, ${users.email})` },
  created_at: webhooks.created_at,
  updated_at: webhooks.updated_at,
};

export const webhookStates = ["working", "failing", "disabled"] as const;

/** Counts the webhooks of all organizations by state. */
export const webhooksByState = sql`
  select array[case when not enabled then 'disabled' when failing_since is null then 'working'
    else 'failing' end] as labels, count(*)::float8 as value from webhooks group by 1`;

const selectWebhooks = (tx: Queryable) =>
  tx.select(webhookColumns).from(webhooks).innerJoin(users, eq(users.id, webhooks.created_by));

/** Lists webhooks in the order of their creation, after an id. */
export function listWebhooks(
  tx: Queryable,
  after: string | null,
  limit: number,
): Promise<Webhook[]> {
  return selectWebhooks(tx)
    .where(after === null ? undefined : gt(webhooks.id, after))
    .orderBy(asc(webhooks.id))
    .limit(limit);
}

export async function findWebhook(tx: Queryable, id: string): Promise<Webhook | undefined> {
  const [row] = await selectWebhooks(tx).where(eq(webhooks.id, id));
  return row;
}

/** Returns the number of webhooks of the transaction's organization. */
export async function countWebhooks(tx: Queryable): Promise<number> {
  const [row] = await tx.select({ webhooks: count() }).from(webhooks);
  return row?.webhooks ?? 0;
}

export async function insertWebhook(
  tx: Queryable,
  webhook: typeof webhooks.$inferInsert,
): Promise<void> {
  await tx.insert(webhooks).values(webhook);
}

export async function updateWebhook(
  tx: Queryable,
  id: string,
  changes: Partial<typeof webhooks.$inferInsert>,
): Promise<void> {
  const updated_at = sql<string>`clock_timestamp()`;
  await tx
    .update(webhooks)
    .set({ ...changes, updated_at })
    .where(eq(webhooks.id, id));
}

/** Replaces the secret. The previous one also signs for `graceHours`. */
export async function rotateSecret(
  tx: Queryable,
  id: string,
  sealed_secret: Buffer,
  graceHours: number,
): Promise<void> {
  await updateWebhook(tx, id, {
    sealed_secret,
    sealed_previous_secret: sql`${webhooks.sealed_secret}` as unknown as Buffer,
    previous_secret_expires_at:
      sql`now() + make_interval(hours => ${graceHours})` as unknown as string,
  });
}

export async function deleteWebhook(tx: Queryable, id: string): Promise<void> {
  await tx.delete(webhooks).where(eq(webhooks.id, id));
}

export interface Notice {
  id: string;
  org_id: string;
  url: string;
  reason: NonNullable<Webhook["disabled_reason"]>;
  organization: string;
  slug: string;
  /** The creator and the owners. */
  emails: string[];
}

/** Lists disabled webhooks whose owners are still to be told. */
export async function listNotices(
  tx: Queryable,
  ownerRole: string,
  limit: number,
): Promise<Notice[]> {
  const { rows } = await tx.execute<Notice & Record<string, unknown>>(sql`
    select w.id, w.org_id, w.url, w.disabled_reason as reason, o.name as organization, o.slug,
      coalesce((
        select array_agg(p.email order by p.email) from (
          select u.email from memberships m join users u on u.id = m.user_id
          where m.org_id = w.org_id and u.is_active and u.email is not null
            and (m.role_id = ${ownerRole}::uuid or u.id = w.created_by)
          order by u.id <> w.created_by, m.joined_at limit 20) p), '{}') as emails
    from ${webhooks} w join ${organizations} o on o.id = w.org_id
    where w.notice_due order by w.disabled_at limit ${limit}`);
  return rows;
}

export async function clearNotice(tx: Queryable, id: string): Promise<void> {
  await tx.update(webhooks).set({ notice_due: false }).where(eq(webhooks.id, id));
}
