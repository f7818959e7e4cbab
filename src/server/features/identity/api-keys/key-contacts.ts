import { sql } from "drizzle-orm";
import type { Queryable } from "../../../db/connection/connect.js";
import { systemRoleIds } from "../../../db/migrate.js";
import type { Mailer } from "../../../mail/mailer.js";
import type { StoredKey } from "./api-keys.queries.js";
import type { KeyDeps } from "./key-access.js";

/** The addresses that an email about a key goes to, and the page of the key. */
export interface KeyContacts {
  emails: string[];
  link: string;
}

/**
 * Finds the contacts of a key, in a transaction that sees all organizations: its user, or the owners of a service
 * account's organization.
 */
export async function findKeyContacts(
  tx: Queryable,
  { publicUrl }: Pick<KeyDeps, "publicUrl">,
  { id, user_id }: Pick<StoredKey, "id" | "user_id">,
): Promise<KeyContacts> {
  const { rows } = await tx.execute<{ email: string; org_id: string | null }>(sql`
    select u.email, null::uuid as org_id from users u where u.id = ${user_id} and u.email is not null
    union all
    select u.email, s.org_id from service_accounts s
    join memberships m on m.org_id = s.org_id and m.role_id = ${systemRoleIds.owner}
    join users u on u.id = m.user_id and u.is_active
    where s.id = ${user_id}
    order by email`);
  const orgId = rows[0]?.org_id ?? null;
  const page =
    orgId === null
      ? `settings/api-keys/${id}`
      : `organizations/${orgId}/settings?tab=service-accounts`;
  return { emails: rows.map(({ email }) => email), link: `${publicUrl()}/${page}` };
}

/** Sends an email to each contact. */
export async function sendToContacts(
  mailer: Mailer,
  { emails }: KeyContacts,
  letter: Omit<Parameters<Mailer["send"]>[0], "to">,
): Promise<void> {
  for (const to of emails) await mailer.send({ to, ...letter });
}
