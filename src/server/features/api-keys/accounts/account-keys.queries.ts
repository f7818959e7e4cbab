import { and, desc, eq, sql } from "drizzle-orm";
import { alias } from "drizzle-orm/pg-core";
import type { ServiceAccountKey } from "#shared/api/organizations/service-accounts.js";
import type { Queryable } from "../../../db/connection/connect.js";
import { users } from "../../../db/tables/identity-tables.js";
import { apiKeys, serviceAccounts } from "../../../db/tables/tables.js";
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

/** An account's state and the patterns of its role. */
export interface AccountRights extends Record<string, unknown> {
  is_active: boolean;
  patterns: string[];
}

/** Reads the rights of an organization's account that is not deleted. */
export async function findAccountRights(
  tx: Queryable,
  orgId: string,
  accountId: string,
): Promise<AccountRights | undefined> {
  const { rows } = await tx.execute<AccountRights>(sql`
    select u.is_active, role_patterns(m.role_id) as patterns from service_accounts s
    join users u on u.id = s.id
    join memberships m on m.user_id = s.id and m.org_id = s.org_id
    where s.id = ${accountId} and s.org_id = ${orgId} and s.deleted_at is null`);
  return rows[0];
}

/** Whether an organization has an account that is not deleted. */
export async function hasAccount(
  tx: Queryable,
  orgId: string,
  accountId: string,
): Promise<boolean> {
  const rows = await tx
    .select({ id: serviceAccounts.id })
    .from(serviceAccounts)
    .where(
      sql`${serviceAccounts.id} = ${accountId} and ${serviceAccounts.org_id} = ${orgId}
        and ${serviceAccounts.deleted_at} is null`,
    );
  return rows.length === 1;
}
