import { and, asc, eq, gt, sql } from "drizzle-orm";
import type { ForgeAccount, ForgePerson } from "#shared/api/work/forge-people.js";
import type { Queryable } from "../../../../db/connection/connect.js";
import { forgePeople, forges } from "../../../../db/tables/forge-tables.js";
import { users } from "../../../../db/tables/identity-tables.js";

const shown = {
  login: forgePeople.login,
  user_id: forgePeople.user_id,
  user_name: sql<string>`coalesce(${users.full_name}, ${users.email})`,
  how: forgePeople.how,
  created_at: forgePeople.created_at,
};

/** Lists the known logins of a forge, by login, after a login. */
export function listPeople(
  tx: Queryable,
  forgeId: string,
  after: string | null,
  limit: number,
): Promise<ForgePerson[]> {
  return tx
    .select(shown)
    .from(forgePeople)
    .innerJoin(users, eq(users.id, forgePeople.user_id))
    .where(
      and(
        eq(forgePeople.forge_id, forgeId),
        after === null ? undefined : gt(forgePeople.login, after),
      ),
    )
    .orderBy(asc(forgePeople.login))
    .limit(limit);
}

export async function findPerson(
  tx: Queryable,
  forgeId: string,
  login: string,
): Promise<ForgePerson | undefined> {
  const [row] = await tx
    .select(shown)
    .from(forgePeople)
    .innerJoin(users, eq(users.id, forgePeople.user_id))
    .where(and(eq(forgePeople.forge_id, forgeId), eq(forgePeople.login, login)));
  return row;
}

/**
 * Returns the id of the member whom a login of a forge belongs to; null for a stranger, and for a member whose account is
 * disabled.
 */
export async function findPersonOfLogin(
  tx: Queryable,
  forgeId: string,
  login: string,
): Promise<string | null> {
  const [row] = await tx
    .select({ user_id: forgePeople.user_id })
    .from(forgePeople)
    .innerJoin(users, and(eq(users.id, forgePeople.user_id), users.is_active))
    .where(and(eq(forgePeople.forge_id, forgeId), eq(forgePeople.login, login.toLowerCase())));
  return row?.user_id ?? null;
}

export async function putPerson(
  tx: Queryable,
  row: Pick<typeof forgePeople.$inferInsert, "org_id" | "forge_id" | "login" | "user_id" | "how">,
): Promise<void> {
  const { user_id, how } = row;
  await tx
    .insert(forgePeople)
    .values(row)
    .onConflictDoUpdate({
      target: [forgePeople.forge_id, forgePeople.login],
      set: { user_id, how, created_at: sql`clock_timestamp()` },
    });
}

export async function deletePerson(tx: Queryable, forgeId: string, login: string): Promise<void> {
  await tx
    .delete(forgePeople)
    .where(and(eq(forgePeople.forge_id, forgeId), eq(forgePeople.login, login)));
}

/** Deletes the logins of a user on a forge. Returns them. */
export async function deleteLoginsOf(
  tx: Queryable,
  forgeId: string,
  userId: string,
): Promise<string[]> {
  const rows = await tx
    .delete(forgePeople)
    .where(and(eq(forgePeople.forge_id, forgeId), eq(forgePeople.user_id, userId)))
    .returning({ login: forgePeople.login });
  return rows.map(({ login }) => login);
}

/** Lists the forges of the transaction's organization with the logins of a user, after an id. */
export async function listAccounts(
  tx: Queryable,
  userId: string,
  after: string | null,
  limit: number,
): Promise<ForgeAccount[]> {
  const found = await tx
    .select({
      forge_id: forges.id,
      kind: forges.kind,
      name: forges.name,
      url: forges.url,
      by_oauth: sql<boolean>`${forges.client_id} is not null`,
    })
    .from(forges)
    .where(after === null ? undefined : gt(forges.id, after))
    .orderBy(asc(forges.id))
    .limit(limit);
  const logins = await tx
    .select({ ...shown, forge_id: forgePeople.forge_id })
    .from(forgePeople)
    .innerJoin(users, eq(users.id, forgePeople.user_id))
    .where(eq(forgePeople.user_id, userId))
    .orderBy(asc(forgePeople.login));
  return found.map((forge) => ({
    ...forge,
    logins: logins
      .filter(({ forge_id }) => forge_id === forge.forge_id)
      .map(({ forge_id: _, ...person }) => person),
  }));
}
