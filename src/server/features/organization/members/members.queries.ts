import { and, asc, eq, isNull, sql } from "drizzle-orm";
import type { Member } from "#shared/api/organization/members.js";
import { newId } from "../../../db/tables/columns.js";
import type { Queryable } from "../../../db/connection/connect.js";
import { systemRoleIds } from "../../../db/migrate.js";
import {
  agents,
  invitations,
  memberships,
  organizations,
  roles,
} from "../../../db/tables/tables.js";
import { users, userKind } from "../../../db/tables/identity-tables.js";

const memberColumns = {
  id: memberships.id,
  kind: sql<
    Member["kind"]
  >`case when ${memberships.agent_id} is not null then 'agent' else ${userKind} end`,
  user_id: memberships.user_id,
  agent_id: memberships.agent_id,
  organization_id: memberships.org_id,
  role_id: memberships.role_id,
  role_name: roles.name,
  joined_at: memberships.joined_at,
  display_name: sql<string>`coalesce(${users.full_name}, ${users.email}, ${agents.name})`,
  email: users.email,
  invited_by: memberships.invited_by,
};

function selectMembers(tx: Queryable) {
  return tx
    .select(memberColumns)
    .from(memberships)
    .innerJoin(roles, eq(roles.id, memberships.role_id))
    .leftJoin(users, eq(users.id, memberships.user_id))
    .leftJoin(agents, eq(agents.id, memberships.agent_id));
}

/** Lists members in joining order, after the given time and id. */
export function listMembers(
  tx: Queryable,
  after: readonly [joinedAt: string, id: string] | null,
  limit: number,
): Promise<Member[]> {
  return selectMembers(tx)
    .where(
      after === null
        ? undefined
        : sql`(${memberships.joined_at}, ${memberships.id}) > (${after[0]}::timestamptz, ${after[1]}::uuid)`,
    )
    .orderBy(asc(memberships.joined_at), asc(memberships.id))
    .limit(limit);
}

export async function findMember(tx: Queryable, memberId: string): Promise<Member | undefined> {
  const [member] = await selectMembers(tx).where(eq(memberships.id, memberId));
  return member;
}

/** Reads the names for the notification of an added user: the organization's and the adding user's. */
export async function readAddition(
  tx: Queryable,
  orgId: string,
  addedBy: string,
): Promise<{ organization: string; inviter: string }> {
  const { rows } = await tx.execute<{ organization: string; inviter: string }>(sql`
    select o.name as organization, coalesce(u.full_name, u.email) as inviter
    from organizations o, users u where o.id = ${orgId} and u.id = ${addedBy}`);
  return rows[0] ?? { organization: "", inviter: "" };
}

/** @throws unique violation of `memberships_user_key` or `memberships_agent_key` */
export async function insertMembership(
  tx: Queryable,
  values: {
    org_id: string;
    user_id?: string | undefined;
    agent_id?: string | undefined;
    role_id: string;
    invited_by?: string | undefined;
  },
): Promise<string> {
  const id = newId();
  await tx.insert(memberships).values({ id, ...values });
  return id;
}

export async function updateMemberRole(
  tx: Queryable,
  memberId: string,
  roleId: string,
): Promise<void> {
  await tx.update(memberships).set({ role_id: roleId }).where(eq(memberships.id, memberId));
}

export async function deleteMembership(tx: Queryable, memberId: string): Promise<void> {
  await tx.delete(memberships).where(eq(memberships.id, memberId));
}

/** Lists the owners, earliest first. */
export async function listOwners(
  tx: Queryable,
): Promise<{ member_id: string; user_id: string | null }[]> {
  return tx
    .select({ member_id: memberships.id, user_id: memberships.user_id })
    .from(memberships)
    .where(eq(memberships.role_id, systemRoleIds.owner))
    .orderBy(asc(memberships.joined_at), asc(memberships.id));
}

/** Moves `owner_id` to another user if it names the former owner. */
export async function moveOwner(
  tx: Queryable,
  orgId: string,
  from: string,
  to: string,
): Promise<void> {
  await tx
    .update(organizations)
    .set({ owner_id: to, updated_at: sql`now()` })
    .where(sql`${organizations.id} = ${orgId} and ${organizations.owner_id} = ${from}`);
}

/** Returns the membership id of a user or a service account, or null. */
export async function findMemberOfUser(tx: Queryable, userId: string): Promise<string | null> {
  const [row] = await tx
    .select({ id: memberships.id })
    .from(memberships)
    .where(eq(memberships.user_id, userId));
  return row?.id ?? null;
}

/** Returns an agent's membership id, or null. */
export async function findMemberOfAgent(tx: Queryable, agentId: string): Promise<string | null> {
  const [row] = await tx
    .select({ id: memberships.id })
    .from(memberships)
    .where(eq(memberships.agent_id, agentId));
  return row?.id ?? null;
}

/** Whether the organization has the agent and it is not terminated. */
export async function isActiveAgent(tx: Queryable, agentId: string): Promise<boolean> {
  const [row] = await tx
    .select({ terminated_at: agents.terminated_at })
    .from(agents)
    .where(eq(agents.id, agentId));
  return row?.terminated_at === null;
}

export async function deleteMembershipsOfProject(tx: Queryable, projectId: string): Promise<void> {
  await tx
    .delete(memberships)
    .where(
      sql`${memberships.agent_id} in (select a.id from agents a where a.project_id = ${projectId})`,
    );
}

/** Deletes a user's memberships in all organizations; `owner_id` moves to the earliest other owner. */
export async function deleteMembershipsOfUser(
  tx: Queryable,
  userId: string,
): Promise<{ id: string; org_id: string; role_name: string }[]> {
  const { rows } = await tx.execute<{ id: string; org_id: string; role_name: string }>(sql`
    delete from memberships m using roles r where r.id = m.role_id and m.user_id = ${userId}
    returning m.id, m.org_id, r.name as role_name`);
  await tx.execute(sql`
    update organizations o set updated_at = now(), owner_id = (
      select m.user_id from memberships m where m.org_id = o.id and m.user_id is not null
        and m.role_id = ${systemRoleIds.owner} order by m.joined_at, m.id limit 1)
    where o.owner_id = ${userId} and exists (select from memberships m where m.org_id = o.id
      and m.user_id is not null and m.role_id = ${systemRoleIds.owner})`);
  return rows;
}

/** Revokes a user's open invitations in all organizations. */
export async function revokeInvitationsBy(
  tx: Queryable,
  userId: string,
): Promise<{ id: string; org_id: string; email: string; role_name: string }[]> {
  return tx
    .update(invitations)
    .set({ revoked_at: sql`now()` })
    .where(
      and(
        eq(invitations.invited_by, userId),
        isNull(invitations.accepted_at),
        isNull(invitations.revoked_at),
      ),
    )
    .returning({
      id: invitations.id,
      org_id: invitations.org_id,
      email: invitations.email,
      role_name: invitations.role_name,
    });
}
