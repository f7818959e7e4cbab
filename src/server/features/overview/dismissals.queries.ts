import { and, eq, inArray, sql } from "drizzle-orm";
import type { Queryable } from "../../db/connection/connect.js";
import { attentionDismissals as dismissals } from "../../db/tables/tables.js";

/** A user's dismissals in an organization. */
interface Owner {
  orgId: string;
  userId: string;
}

const isOf = ({ orgId, userId }: Owner) =>
  and(eq(dismissals.org_id, orgId), eq(dismissals.user_id, userId));

export async function listDismissed(tx: Queryable, owner: Owner): Promise<string[]> {
  const rows = await tx.select({ key: dismissals.item_key }).from(dismissals).where(isOf(owner));
  return rows.map(({ key }) => key);
}

export async function insertDismissal(
  tx: Queryable,
  { orgId, userId }: Owner,
  key: string,
): Promise<void> {
  await tx
    .insert(dismissals)
    .values({ org_id: orgId, user_id: userId, item_key: key })
    .onConflictDoNothing();
}

/** Returns false if there was none. */
export async function deleteDismissal(tx: Queryable, owner: Owner, key: string): Promise<boolean> {
  const deleted = await tx
    .delete(dismissals)
    .where(and(isOf(owner), eq(dismissals.item_key, key)))
    .returning({ key: dismissals.item_key });
  return deleted.length === 1;
}

/** Deletes dismissals of items that are gone, and the oldest ones above a maximum. */
export async function pruneDismissals(
  tx: Queryable,
  owner: Owner,
  gone: string[],
  max: number,
): Promise<void> {
  if (gone.length > 0) {
    await tx.delete(dismissals).where(and(isOf(owner), inArray(dismissals.item_key, gone)));
  }
  await tx.execute(sql`
    delete from attention_dismissals where org_id = ${owner.orgId} and user_id = ${owner.userId}
      and item_key in (select item_key from attention_dismissals
        where org_id = ${owner.orgId} and user_id = ${owner.userId}
        order by dismissed_at desc, item_key offset ${max})`);
}
