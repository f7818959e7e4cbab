import { sql, type SQL } from "drizzle-orm";
import { exceeding, grants } from "#shared/permissions.js";
import type { AuditWriter } from "../../db/audit/audit.js";
import type { Queryable } from "../../db/connection/connect.js";

/*
 * An open invitation holds only while the member who made it could still make it: else a member who was
 * removed would come back by an invitation of an own address.
 */

interface OpenInvitation extends Record<string, unknown> {
  id: string;
  email: string;
  role_name: string;
  /** What the invitation's role grants; null where the role was deleted. */
  wanted: string[] | null;
  /** What its maker's role grants; null where the maker is no active member. */
  held: string[] | null;
}

/** Whether the maker of an invitation could still make it. */
export async function isStillOffered(tx: Queryable, invitationId: string): Promise<boolean> {
  const [invitation] = await selectOpen(tx, sql`i.id = ${invitationId}`);
  return invitation !== undefined && isHeld(invitation);
}

/**
 * Revokes the open invitations that a person made in the organization at hand and could not make any
 * more, once that person's role was changed or taken.
 */
export async function revokeLapsedInvitations(
  tx: Queryable,
  audit: AuditWriter,
  userId: string | null,
): Promise<void> {
  if (userId === null) return;
  const made = await selectOpen(tx, sql`i.invited_by = ${userId}`);
  for (const { id, email, role_name } of made.filter((invitation) => !isHeld(invitation))) {
    await tx.execute(sql`update invitations set revoked_at = now() where id = ${id}`);
    audit({
      action: "invitation.revoked",
      target: { type: "invitation", id, name: email },
      changes: { email: { from: email, to: null }, role_name: { from: role_name, to: null } },
    });
  }
}

function isHeld({ wanted, held }: OpenInvitation): boolean {
  if (wanted === null || held === null) return false;
  return grants(held, "org:members:write") && exceeding(wanted, held).length === 0;
}

async function selectOpen(tx: Queryable, which: SQL): Promise<OpenInvitation[]> {
  const { rows } = await tx.execute<OpenInvitation>(sql`
    select i.id, i.email, i.role_name,
      case when i.role_id is not null then role_patterns(i.role_id) end as wanted,
      case when m.id is not null then role_patterns(m.role_id) end as held
    from invitations i
    left join users u on u.id = i.invited_by and u.is_active
    left join memberships m on m.org_id = i.org_id and m.user_id = u.id
    where ${which} and i.accepted_at is null and i.revoked_at is null
    order by i.id`);
  return rows;
}
