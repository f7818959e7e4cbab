import { and, desc, eq, isNull, lt, lte, sql } from "drizzle-orm";
import type { Invitation } from "#shared/api/organization/invitations.js";
import type { Queryable } from "../../../db/connection/connect.js";
import { invitations, memberships, organizations, roles } from "../../../db/tables/tables.js";
import { isPersonRow, personEmail, users } from "../../../db/tables/identity-tables.js";

const status = sql<Invitation["status"]>`case
  when ${invitations.accepted_at} is not null then 'accepted'
  when ${invitations.revoked_at} is not null then 'revoked'
  when ${invitations.expires_at} <= now() then 'expired'
  else 'pending' end`;

const invitationColumns = {
  id: invitations.id,
  email: invitations.email,
  role_id: invitations.role_id,
  role_name: sql<string>`coalesce(${roles.name}, ${invitations.role_name})`,
  status,
  inviter_id: invitations.invited_by,
  inviter_name: sql<string | null>`coalesce(${users.full_name}, ${users.email})`,
  created_at: invitations.created_at,
  expires_at: invitations.expires_at,
};

function selectInvitations(tx: Queryable) {
  return tx
    .select(invitationColumns)
    .from(invitations)
    .leftJoin(roles, eq(roles.id, invitations.role_id))
    .leftJoin(users, eq(users.id, invitations.invited_by));
}

type Row = Awaited<ReturnType<typeof selectInvitations>>[number];

function withInviter({ inviter_id, inviter_name, ...rest }: Row): Invitation {
  const invited_by =
    inviter_id === null || inviter_name === null ? null : { id: inviter_id, name: inviter_name };
  return { ...rest, invited_by };
}

/** Lists invitations, newest first, optionally those before an id. */
export async function listInvitations(
  tx: Queryable,
  before: string | null,
  limit: number,
): Promise<Invitation[]> {
  const rows = await selectInvitations(tx)
    .where(before === null ? undefined : lt(invitations.id, before))
    .orderBy(desc(invitations.id))
    .limit(limit);
  return rows.map(withInviter);
}

export async function findInvitation(
  tx: Queryable,
  invitationId: string,
): Promise<Invitation | undefined> {
  const [row] = await selectInvitations(tx).where(eq(invitations.id, invitationId));
  return row && withInviter(row);
}

/** Finds an address's invitation that was neither accepted nor revoked; it may have expired. */
export async function findOpenInvitation(
  tx: Queryable,
  email: string,
): Promise<Invitation | undefined> {
  const [row] = await selectInvitations(tx).where(
    and(
      eq(invitations.email, email),
      isNull(invitations.accepted_at),
      isNull(invitations.revoked_at),
    ),
  );
  return row && withInviter(row);
}

/** Finds an invitation with its organization, as shown to the holder of its link. */
export async function findByToken(tx: Queryable, tokenHash: Buffer) {
  const [row] = await tx
    .select({
      ...invitationColumns,
      org_id: invitations.org_id,
      organization_name: organizations.name,
      archived: sql<boolean>`${organizations.archived_at} is not null`,
    })
    .from(invitations)
    .innerJoin(organizations, eq(organizations.id, invitations.org_id))
    .leftJoin(roles, eq(roles.id, invitations.role_id))
    .leftJoin(users, eq(users.id, invitations.invited_by))
    .where(eq(invitations.token_hash, tokenHash));
  if (!row) return undefined;
  const { org_id, organization_name, archived, ...rest } = row;
  return { org_id, organization_name, archived, invitation: withInviter(rest) };
}

/** @throws unique violation of `invitations_one_live` */
export async function insertInvitation(
  tx: Queryable,
  values: typeof invitations.$inferInsert,
): Promise<void> {
  await tx.insert(invitations).values(values);
}

/** Deletes an address's expired invitation, which makes room for a new one. */
export async function deleteExpired(tx: Queryable, email: string): Promise<void> {
  await tx
    .delete(invitations)
    .where(
      and(
        eq(invitations.email, email),
        isNull(invitations.accepted_at),
        isNull(invitations.revoked_at),
        lte(invitations.expires_at, sql`now()`),
      ),
    );
}

export async function updateInvitation(
  tx: Queryable,
  invitationId: string,
  changes: Partial<typeof invitations.$inferInsert>,
): Promise<void> {
  await tx.update(invitations).set(changes).where(eq(invitations.id, invitationId));
}

export async function endInvitation(
  tx: Queryable,
  invitationId: string,
  how: "accepted_at" | "revoked_at",
): Promise<void> {
  await tx
    .update(invitations)
    .set({ [how]: sql`now()` })
    .where(eq(invitations.id, invitationId));
}

export async function organizationName(tx: Queryable, orgId: string): Promise<string> {
  const [row] = await tx
    .select({ name: organizations.name })
    .from(organizations)
    .where(eq(organizations.id, orgId));
  return row?.name ?? "";
}

export async function findUserEmail(tx: Queryable, userId: string): Promise<string | undefined> {
  const [row] = await tx
    .select({ email: personEmail })
    .from(users)
    .where(and(eq(users.id, userId), isPersonRow));
  return row?.email;
}

/** Whether a member of the current organization has the address. */
export async function isMemberAddress(tx: Queryable, email: string): Promise<boolean> {
  const rows = await tx
    .select({ id: memberships.id })
    .from(memberships)
    .innerJoin(users, eq(users.id, memberships.user_id))
    .where(eq(users.email, email));
  return rows.length > 0;
}
