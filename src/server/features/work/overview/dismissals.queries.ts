import { and, eq, sql } from "drizzle-orm";
import type { Queryable } from "../../../db/connection/connect.js";
import { attentionDismissals as dismissals } from "../../../db/tables/tables.js";

/** A user's dismissals in an organization. */
interface Owner {
  orgId: string;
  userId: string;
}

const isOf = ({ orgId, userId }: Owner) =>
  and(eq(dismissals.org_id, orgId), eq(dismissals.user_id, userId));

/** Lists the keys of items that are done, or snoozed at the moment. */
export async function listDismissed(tx: Queryable, owner: Owner): Promise<string[]> {
  const rows = await tx
    .select({ key: dismissals.item_key })
    .from(dismissals)
    .where(and(isOf(owner), sql`coalesce(${dismissals.until} > now(), true)`));
  return rows.map(({ key }) => key);
}

export async function insertDismissal(
  tx: Queryable,
  { orgId, userId }: Owner,
  key: string,
  until: string | null,
): Promise<void> {
  await tx
    .insert(dismissals)
    .values({ org_id: orgId, user_id: userId, item_key: key, until })
    .onConflictDoUpdate({
      target: [dismissals.org_id, dismissals.user_id, dismissals.item_key],
      set: { dismissed_at: sql`now()`, until },
    });
}

/** Returns false if there was none. */
export async function deleteDismissal(tx: Queryable, owner: Owner, key: string): Promise<boolean> {
  const deleted = await tx
    .delete(dismissals)
    .where(and(isOf(owner), eq(dismissals.item_key, key)))
    .returning({ key: dismissals.item_key });
  return deleted.length === 1;
}

/** Deletes dismissals above a maximum age, and the oldest ones above a maximum number. */
export async function pruneDismissals(
  tx: Queryable,
  { orgId, userId }: Owner,
  max: { days: number; count: number },
): Promise<void> {
  await tx.execute(sql`
    delete from attention_dismissals d using (
      select item_key, dismissed_at, row_number() over (order by dismissed_at desc, item_key) as place
      from attention_dismissals where org_id = ${orgId} and user_id = ${userId}) kept
    where d.org_id = ${orgId} and d.user_id = ${userId} and d.item_key = kept.item_key
      and (kept.place > ${max.count} or kept.dismissed_at < now() - make_interval(days => ${max.days}))`);
}
