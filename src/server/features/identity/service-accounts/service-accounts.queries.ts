import { sql, type SQL } from "drizzle-orm";
import type { ServiceAccount } from "#shared/api/identity/service-accounts.js";
import type { Queryable } from "../../../db/connection/connect.js";
import { isoInstant } from "../../../db/tables/columns.js";

type Row = ServiceAccount & Record<string, unknown>;

/** Figures about keys; zero and null in a transaction that sees no keys. */
const keyFigures = sql`
  max(k.last_used_at) as last_used_at,
  (count(*) filter (where k.revoked_at is null and (k.expires_at is null or k.expires_at > now())))::int
    as active_keys`;

/** Selects accounts that are not deleted. */
async function selectAccounts(tx: Queryable, which: SQL): Promise<ServiceAccount[]> {
  const { rows } = await tx.execute<Row>(sql`
    select s.id, s.org_id as organization_id, s.name, s.description, m.id as member_id, m.role_id,
      r.name as role_name, u.is_active, k.active_keys, k.last_used_at,
      json_build_object('id', c.id, 'name', coalesce(c.full_name, c.email)) as created_by,
      s.created_at, s.updated_at
    from service_accounts s
    join users u on u.id = s.id
    join users c on c.id = s.created_by
    join memberships m on m.user_id = s.id and m.org_id = s.org_id
    join roles r on r.id = m.role_id
    cross join lateral (
      select ${keyFigures} from api_keys k where k.user_id = s.id) k
    where s.deleted_at is null and ${which}`);
  return rows.map((row) => ({
    ...row,
    last_used_at: row.last_used_at && isoInstant(row.last_used_at),
    created_at: isoInstant(row.created_at),
    updated_at: isoInstant(row.updated_at),
  }));
}

/** Lists an organization's accounts, oldest first, after the given id. */
export function listAccounts(
  tx: Queryable,
  orgId: string,
  after: string | null,
  limit: number,
): Promise<ServiceAccount[]> {
  const rest = after === null ? sql`true` : sql`s.id > ${after}`;
  return selectAccounts(tx, sql`s.org_id = ${orgId} and ${rest} order by s.id limit ${limit}`);
}

export async function findAccount(
  tx: Queryable,
  orgId: string,
  id: string,
): Promise<ServiceAccount | undefined> {
  const [account] = await selectAccounts(tx, sql`s.org_id = ${orgId} and s.id = ${id}`);
  return account;
}

/** Reads the figures about an account's keys, in a transaction that sees them. */
export async function readKeyFigures(
  tx: Queryable,
  id: string,
): Promise<Pick<ServiceAccount, "active_keys" | "last_used_at">> {
  const { rows } = await tx.execute<Row>(
    sql`select ${keyFigures} from api_keys k where k.user_id = ${id}`,
  );
  const { active_keys = 0, last_used_at = null } = rows[0] ?? {};
  return { active_keys, last_used_at: last_used_at && isoInstant(last_used_at) };
}

interface AccountValues {
  id: string;
  org_id: string;
  name: string;
  description: string | null;
  created_by: string;
}

/** @throws unique violation of `service_accounts_org_name_key` */
export async function insertAccount(tx: Queryable, values: AccountValues): Promise<void> {
  const { id, org_id, name, description, created_by } = values;
  await tx.execute(sql`insert into users (id, kind, full_name) values (${id}, 'service', ${name})`);
  await tx.execute(sql`
    insert into service_accounts (id, org_id, name, description, created_by)
    values (${id}, ${org_id}, ${name}, ${description}, ${created_by})`);
}

/**
 * Sets the name, the description and the state of an account.
 * @throws unique violation of `service_accounts_org_name_key`
 */
export async function updateAccount(
  tx: Queryable,
  {
    id,
    name,
    description,
    is_active,
  }: Pick<ServiceAccount, "id" | "name" | "description" | "is_active">,
): Promise<void> {
  await tx.execute(sql`
    update service_accounts set name = ${name}, description = ${description},
      updated_at = clock_timestamp()
    where id = ${id}`);
  await tx.execute(sql`
    update users set full_name = ${name}, is_active = ${is_active}, updated_at = now()
    where id = ${id}`);
}

/** Marks an account as deleted. Its rows stay, because logs name it. */
export async function markDeleted(tx: Queryable, id: string): Promise<void> {
  await tx.execute(sql`
    update service_accounts set description = null, deleted_at = clock_timestamp(),
      updated_at = clock_timestamp()
    where id = ${id}`);
  await tx.execute(sql`delete from idempotency_keys where user_id = ${id}`);
  await tx.execute(sql`update users set is_active = false, updated_at = now() where id = ${id}`);
}
