import type { Member } from "#shared/api/organization/members.js";
import type { Role } from "#shared/api/organization/roles.js";
import { diffFields, type AuditWriter } from "../../../db/audit/audit.js";
import {
  violatedConstraint,
  type Database,
  type Queryable,
} from "../../../db/connection/connect.js";
import type { AuditWriterOf } from "../../../db/connection/system-change.js";
import { systemRoleIds } from "../../../db/migrate.js";
import { AppError, invalidField, notFound } from "../../../errors.js";
import { authorizedWrites } from "../../../access/current-access.js";
import { permissionsBeyond, requirePermission, type Access } from "../../../access/access.js";
import type { ActorContext, OrgContext } from "../../../http/requests/request-context.js";
import { addedToOrganization } from "../../../mail/email-templates.js";
import type { Mailer } from "../../../mail/mailer.js";
import { userExists } from "../../identity/auth/index.js";
import { findRole } from "../roles/index.js";
import { revokeLapsedInvitations } from "./open-invitations.js";
import * as queries from "./members.queries.js";

export interface MemberDeps {
  db: Database;
  mailer: Mailer;
  publicUrl: () => string;
}

/**
 * Adds a user or an agent. The user is notified by email and can leave.
 * @throws AppError 403 `privilege_escalation`; 409 `already_member`; 422 for an unknown id
 */
export async function addMember(
  { db, mailer, publicUrl }: MemberDeps,
  context: OrgContext,
  body: { user_id?: string | undefined; agent_id?: string | undefined; role_id: string },
): Promise<Member> {
  const { user_id, agent_id, role_id } = body;
  if (user_id !== undefined && !(await userExists(db, user_id))) {
    throw invalidField("user_id", "does not name a user", "unknown_id");
  }
  try {
    const { member, added } = await context.change(async (tx, audit, access) => {
      await requireGrantableRole(tx, access, role_id);
      if (agent_id !== undefined && !(await queries.isActiveAgent(tx, agent_id))) {
        throw invalidField("agent_id", "does not name an agent of this organization", "unknown_id");
      }
      const id = await queries.insertMembership(tx, {
        org_id: context.orgId,
        user_id,
        agent_id,
        role_id,
        invited_by: context.actor.userId,
      });
      const member = await auditAddedMember(tx, audit, id);
      return {
        member,
        added: await queries.readAddition(tx, context.orgId, context.actor.userId),
      };
    });
    if (member.email !== null) {
      const link = `${publicUrl()}/organizations/${context.orgId}`;
      const letter = addedToOrganization({ ...added, role: member.role_name, link });
      await mailer.send({ to: member.email, ...letter });
    }
    return member;
  } catch (error) {
    const constraint = violatedConstraint(error) ?? "";
    if (constraint === "memberships_role_id_fkey") {
      throw invalidField("role_id", "does not name a role of this organization", "unknown_id");
    }
    if (!/^memberships_(user|agent)_key$/.test(constraint)) throw error;
    throw new AppError("already_member", "Already a member; change the role instead.");
  }
}

/** Adds an invited user within a change of the organization. An existing member stays unchanged. */
export async function addInvitedMember(
  tx: Queryable,
  audit: AuditWriter,
  values: { org_id: string; user_id: string; role_id: string; invited_by?: string | undefined },
): Promise<Member> {
  const known = await queries.findMemberOfUser(tx, values.user_id);
  if (known !== null) return (await queries.findMember(tx, known)) as Member;
  return auditAddedMember(tx, audit, await queries.insertMembership(tx, values));
}

async function auditAddedMember(
  tx: Queryable,
  audit: AuditWriter,
  memberId: string,
): Promise<Member> {
  const member = (await queries.findMember(tx, memberId)) as Member;
  audit({
    action: "member.added",
    target: targetOf(member),
    changes: diffFields(null, member, ["user_id", "agent_id", "role_name"]),
  });
  return member;
}

/** Makes the creator of an organization its owner, in the transaction that creates it. */
export async function addOwner(tx: Queryable, orgId: string, userId: string): Promise<void> {
  await queries.insertMembership(tx, {
    org_id: orgId,
    user_id: userId,
    role_id: systemRoleIds.owner,
  });
}

/**
 * Transfers ownership to one user and makes the former owner an admin, within a change of the
 * organization.
 * @throws AppError 422 naming `user_id` when the user is not a member
 */
export async function transferOwnership(
  tx: Queryable,
  audit: AuditWriter,
  from: string,
  to: string,
): Promise<void> {
  const heir = await queries.findMemberOfUser(tx, to);
  if (heir === null || (await queries.findMember(tx, heir))?.kind !== "user")
    throw invalidField("user_id", "does not name a member of this organization", "unknown_id");
  await queries.updateMemberRole(tx, heir, systemRoleIds.owner);
  const former = await queries.findMemberOfUser(tx, from);
  if (former) await queries.updateMemberRole(tx, former, systemRoleIds.admin);
  await revokeLapsedInvitations(tx, audit, from);
}

/** Makes a new agent a member as `agent_executor`, in the transaction that creates it. */
export async function addAgentMember(
  tx: Queryable,
  orgId: string,
  agentId: string,
  invitedBy: string,
): Promise<void> {
  await queries.insertMembership(tx, {
    org_id: orgId,
    agent_id: agentId,
    role_id: systemRoleIds.agent_executor,
    invited_by: invitedBy,
  });
}

/**
 * Changes a member's role. The last owner stays, and a member with more permissions than the actor
 * cannot be changed.
 * @throws AppError 403 `privilege_escalation`; 404; 409 `last_owner`; 422 for an unknown role
 */
export async function changeRole(
  context: OrgContext,
  memberId: string,
  roleId: string,
): Promise<Member> {
  return context.change(async (tx, audit, access) => {
    const member = await queries.findMember(tx, memberId);
    if (!member) throw notFound();
    await requireManageableMember(tx, access, member);
    await requireGrantableRole(tx, access, roleId);
    if (member.kind === "service_account") refuseOwnerRole(roleId);
    if (roleId !== member.role_id) await requireRemainingOwner(tx, context.orgId, member);
    await queries.updateMemberRole(tx, memberId, roleId);
    const changed = (await queries.findMember(tx, memberId)) as Member;
    const changes = diffFields(member, changed, ["role_name"]);
    if (roleId !== member.role_id) {
      audit({ action: "member.role_changed", target: targetOf(changed), changes });
      await revokeLapsedInvitations(tx, audit, member.user_id);
    }
    return changed;
  });
}

/** A service account owns no organization. @throws AppError 422 */
function refuseOwnerRole(roleId: string): void {
  if (roleId !== systemRoleIds.owner) return;
  throw invalidField("role_id", "must not be the owner's: a service account owns nothing", "owner");
}

/**
 * Makes a new service account a member, in the transaction that creates it.
 * @throws AppError 403 `privilege_escalation`; 422 for an unknown role and for the owner's
 */
export async function addServiceMember(
  tx: Queryable,
  access: Access,
  values: { org_id: string; user_id: string; role_id: string; invited_by: string },
): Promise<void> {
  await requireGrantableRole(tx, access, values.role_id);
  refuseOwnerRole(values.role_id);
  await queries.insertMembership(tx, values);
}

/**
 * Requires that the actor may manage a service account, which must not have more permissions, and changes its role.
 * @throws AppError 403 `privilege_escalation`; 422 for an unknown role and for the owner's
 */
export async function changeServiceMember(
  tx: Queryable,
  audit: AuditWriter,
  access: Access,
  memberId: string,
  roleId: string | undefined,
): Promise<void> {
  const member = (await queries.findMember(tx, memberId)) as Member;
  await requireManageableMember(tx, access, member);
  if (roleId === undefined || roleId === member.role_id) return;
  await requireGrantableRole(tx, access, roleId);
  refuseOwnerRole(roleId);
  await queries.updateMemberRole(tx, memberId, roleId);
  await revokeLapsedInvitations(tx, audit, member.user_id);
}

/**
 * Removes the membership of a service account, in the transaction that deletes it.
 * @throws AppError 403 `privilege_escalation`
 */
export async function removeServiceMember(
  tx: Queryable,
  audit: AuditWriter,
  access: Access,
  memberId: string,
): Promise<void> {
  const member = (await queries.findMember(tx, memberId)) as Member;
  await requireManageableMember(tx, access, member);
  await queries.deleteMembership(tx, memberId);
  await revokeLapsedInvitations(tx, audit, member.user_id);
}

/**
 * Removes a member. Leaving requires no permission. A service account is deleted instead.
 * @throws AppError 403; 404; 409 `last_owner`, `service_account_member`, `organization_archived`
 */
export async function removeMember(
  context: ActorContext,
  db: Database,
  orgId: string,
  memberId: string,
): Promise<void> {
  const demand = { ...context, orgId, permission: null, whenArchived: false, absent: notFound };
  await authorizedWrites(db, demand).change(async (tx, audit, access) => {
    const leaving = access.membershipId === memberId;
    if (!leaving) requirePermission(access, "org:members:delete");
    const member = await queries.findMember(tx, memberId);
    if (!member) throw notFound();
    if (!leaving) await requireManageableMember(tx, access, member);
    if (member.kind === "service_account") {
      throw new AppError(
        "service_account_member",
        `${member.display_name} is a service account; delete the account instead.`,
      );
    }
    await requireRemainingOwner(tx, orgId, member);
    await queries.deleteMembership(tx, memberId);
    audit({
      action: leaving ? "member.left" : "member.removed",
      target: targetOf(member),
      changes: diffFields(member, null, ["user_id", "agent_id", "role_name"]),
    });
    await revokeLapsedInvitations(tx, audit, member.user_id);
  });
}

/**
 * Removes a user from all organizations, within a change that has locked them. The user must not be the
 * last owner of any.
 * @param name the user's name in the audit logs
 */
export async function leaveOrganizations(
  tx: Queryable,
  audit: AuditWriterOf,
  userId: string,
  name: string,
): Promise<void> {
  for (const { id, org_id, role_name } of await queries.deleteMembershipsOfUser(tx, userId)) {
    audit(org_id, {
      action: "member.removed",
      target: { type: "member", id, name },
      changes: { user_id: { from: userId, to: null }, role_name: { from: role_name, to: null } },
    });
  }
  for (const { org_id, id, email, role_name } of await queries.revokeInvitationsBy(tx, userId)) {
    audit(org_id, {
      action: "invitation.revoked",
      target: { type: "invitation", id, name: email },
      changes: { email: { from: email, to: null }, role_name: { from: role_name, to: null } },
    });
  }
}

/**
 * Removes an agent's membership, in the transaction that terminates the agent.
 * @throws AppError 403
 */
export async function removeAgentMember(
  tx: Queryable,
  orgId: string,
  access: Access | null,
  agentId: string,
): Promise<void> {
  const id = await queries.findMemberOfAgent(tx, agentId);
  const member = id === null ? undefined : await queries.findMember(tx, id);
  if (!member) return;
  if (access !== null) await requireManageableMember(tx, access, member);
  await requireRemainingOwner(tx, orgId, member);
  await queries.deleteMembership(tx, member.id);
}

/** Removes the memberships of a project's agents, in the transaction that deletes it. */
export async function removeMembersOfProject(tx: Queryable, projectId: string): Promise<void> {
  await queries.deleteMembershipsOfProject(tx, projectId);
}

const targetOf = ({ id, display_name }: Member) =>
  ({ type: "member", id, name: display_name }) as const;

/**
 * Rejects a change that would remove the last owner, within a change of the organization.
 * @throws AppError 409 `last_owner`
 */
async function requireRemainingOwner(tx: Queryable, orgId: string, member: Member): Promise<void> {
  if (member.role_id !== systemRoleIds.owner) return;
  const owners = await queries.listOwners(tx);
  const heir = owners.find(
    (owner) => owner.member_id !== member.id && owner.user_id !== null,
  )?.user_id;
  if (!heir) {
    throw new AppError("last_owner", "This is the last owner; make another member an owner first.");
  }
  if (member.user_id !== null) await queries.moveOwner(tx, orgId, member.user_id, heir);
}

/**
 * Returns a role, which must not exceed the actor's access.
 * @throws AppError 403 `privilege_escalation`; 422 for an id of no role here
 */
export async function requireGrantableRole(
  tx: Queryable,
  access: Access,
  roleId: string,
): Promise<Role> {
  const role = await findRole(tx, roleId);
  if (!role)
    throw invalidField("role_id", "does not name a role of this organization", "unknown_id");
  requireNoEscalation(access, role.effective_permissions, `The role "${role.name}" has`);
  return role;
}

/**
 * Requires that a user is a member whose permissions do not exceed the actor's, so that the actor may let others act as
 * that user.
 * @throws AppError 403 `privilege_escalation`; 422 for an id of no person here
 */
export async function requirePersonWithin(
  tx: Queryable,
  access: Access,
  userId: string,
): Promise<Member> {
  const id = await queries.findMemberOfUser(tx, userId);
  const member = id === null ? undefined : await queries.findMember(tx, id);
  if (member?.kind !== "user") {
    throw invalidField("user_id", "does not name a person of this organization", "unknown_id");
  }
  await requireManageableMember(tx, access, member);
  return member;
}

async function requireManageableMember(
  tx: Queryable,
  access: Access,
  member: Member,
): Promise<void> {
  const role = await findRole(tx, member.role_id);
  requireNoEscalation(access, role?.effective_permissions ?? ["*:*"], `${member.display_name} has`);
}

function requireNoEscalation(access: Access, wanted: readonly string[], who: string): void {
  const beyond = permissionsBeyond(access, wanted);
  if (beyond.length === 0) return;
  throw new AppError(
    "privilege_escalation",
    `${who} ${beyond.slice(0, 3).join(", ")}, which you do not have; ask a member who has.`,
    { missing_permissions: beyond },
  );
}
