import { sql, type SQL } from "drizzle-orm";
import { excessPermissions, grants } from "#shared/permissions.js";
import type { AuditWriter } from "../../../db/audit/audit.js";
import type { Queryable } from "../../../db/connection/connect.js";

/*
 * An open invitation is valid only while its inviter could still create it. Otherwise a removed member
 * could return by an invitation to another own address.
 */

interface OpenInvitation extends Record<string, unknown> {
  id: string;
  email: string;
  role_name: string;
  /** Permissions of the invitation's role; null when the role was deleted. */
  wanted: string[] | null;
  /** Permissions of the inviter's role; null when the inviter is not an active member. */
  held: string[] | null;
}

/** Whether the inviter could still create the invitation. */
export async function isStillValid(tx: Queryable, invitationId: string): Promise<boolean> {
  const [invitation] = await selectOpen(tx, sql`i.id = ${invitationId}`);
  return invitation !== undefined && isHeld(invitation);
}

/**
 * Revokes a user's open invitations in the current organization that the user could no longer create,
 * after a change of the role.
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
  return grants(held, "org:members:write") && excessPermissions(wanted, held).length === 0;
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
