import { and, desc, eq, isNull, sql } from "drizzle-orm";
import { alias } from "drizzle-orm/pg-core";
import type { ServiceAccountKey } from "#shared/api/identity/service-accounts.js";
import type { Queryable } from "../../../../db/connection/connect.js";
import { users } from "../../../../db/tables/identity-tables.js";
import { apiKeys, memberships, serviceAccounts } from "../../../../db/tables/tables.js";
import { keyColumns, type StoredKey } from "../api-keys.queries.js";

/** A key of a service account, with its maker. */
export interface StoredAccountKey {
  key: StoredKey;
  created_by: ServiceAccountKey["created_by"];
}

const makers = alias(users, "makers");

function selectKeys(tx: Queryable) {
  return tx
    .select({
      key: keyColumns,
      created_by: {
        id: makers.id,
        name: sql<string>`coalesce(${makers.full_name}, ${makers.email})`,
      },
    })
    .from(apiKeys)
    .innerJoin(makers, eq(makers.id, apiKeys.created_by));
}

/** Lists the keys of an account, newest first, after the given id. */
export function listAccountKeys(
  tx: Queryable,
  accountId: string,
  after: string | null,
  limit: number,
): Promise<StoredAccountKey[]> {
  return selectKeys(tx)
    .where(
      and(
        eq(apiKeys.user_id, accountId),
        after === null ? undefined : sql`${apiKeys.id} < ${after}`,
      ),
    )
    .orderBy(desc(apiKeys.id))
    .limit(limit);
}

export async function findAccountKey(
  tx: Queryable,
  accountId: string,
  keyId: string,
): Promise<StoredAccountKey | undefined> {
  const [row] = await selectKeys(tx).where(
    and(eq(apiKeys.user_id, accountId), eq(apiKeys.id, keyId)),
  );
  return row;
}

const isAccount = (orgId: string, accountId: string) =>
  and(
    eq(serviceAccounts.id, accountId),
    eq(serviceAccounts.org_id, orgId),
    isNull(serviceAccounts.deleted_at),
  );

/** Reads the rights of an organization's account that is not deleted. */
export async function findAccountRights(tx: Queryable, orgId: string, accountId: string) {
  const [rights] = await tx
    .select({
      is_active: users.is_active,
      patterns: sql<string[]>`role_patterns(${memberships.role_id})`,
    })
    .from(serviceAccounts)
    .innerJoin(users, eq(users.id, serviceAccounts.id))
    .innerJoin(
      memberships,
      and(eq(memberships.user_id, users.id), eq(memberships.org_id, serviceAccounts.org_id)),
    )
    .where(isAccount(orgId, accountId));
  return rights;
}

/** An account's state and the patterns of its role. */
export type AccountRights = NonNullable<Awaited<ReturnType<typeof findAccountRights>>>;

/** Whether an organization has an account that is not deleted. */
export async function hasAccount(
  tx: Queryable,
  orgId: string,
  accountId: string,
): Promise<boolean> {
  const rows = await tx
    .select({ id: serviceAccounts.id })
    .from(serviceAccounts)
    .where(isAccount(orgId, accountId));
  return rows.length === 1;
}
