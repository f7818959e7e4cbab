import { and, eq, isNull, sql } from "drizzle-orm";
import type { ProtectionChange } from "#shared/api/code/protection-changes.js";
import { approvingPermissions } from "#shared/permissions.js";
import { rolesWith } from "../../../../access/current-access.js";
import type { Queryable } from "../../../../db/connection/connect.js";
import { isoInstant } from "../../../../db/tables/columns.js";
import {
  protectionChangeApprovals,
  protectionChanges,
} from "../../../../db/tables/workspace-tables.js";
import type { authorOf } from "../../../../access/author.queries.js";

export type ChangeRow = typeof protectionChanges.$inferSelect;

const pending = isNull(protectionChanges.ended_at);

export async function insertChange(
  tx: Queryable,
  {
    status,
    ...values
  }: Omit<ChangeRow, "created_at" | "ended_at" | "reason" | "proposed_by"> & {
    proposed_by: ReturnType<typeof authorOf>;
  },
): Promise<void> {
  const ended_at = status === "pending" ? null : sql<string>`clock_timestamp()`;
  await tx.insert(protectionChanges).values({ ...values, status, ended_at });
}

export async function findRow(tx: Queryable, id: string): Promise<ChangeRow | undefined> {
  const [row] = await tx.select().from(protectionChanges).where(eq(protectionChanges.id, id));
  return row;
}

export async function findPendingId(tx: Queryable, projectId: string): Promise<string | undefined> {
  const [row] = await tx
    .select({ id: protectionChanges.id })
    .from(protectionChanges)
    .where(and(eq(protectionChanges.project_id, projectId), pending));
  return row?.id;
}

/** Ends a pending change. */
export async function endChange(
  tx: Queryable,
  id: string,
  end: Pick<ChangeRow, "reason"> & { status: Exclude<ChangeRow["status"], "pending"> },
): Promise<void> {
  await tx
    .update(protectionChanges)
    .set({ ...end, ended_at: sql`clock_timestamp()` })
    .where(and(eq(protectionChanges.id, id), pending));
}

/** Records the number of approvals that a change needs now, which announces a new approval. */
export async function setRequired(tx: Queryable, id: string, required: number): Promise<void> {
  await tx
    .update(protectionChanges)
    .set({ required_approvals: required })
    .where(eq(protectionChanges.id, id));
}

/** Returns false if the person had approved before. */
export async function insertApproval(
  tx: Queryable,
  values: {
    change_id: string;
    approver_id: string;
    org_id: string;
    approver: ReturnType<typeof authorOf>;
  },
): Promise<boolean> {
  const added = await tx
    .insert(protectionChangeApprovals)
    .values(values)
    .onConflictDoNothing()
    .returning({ id: protectionChangeApprovals.change_id });
  return added.length === 1;
}

/** The memberships `m` of people who may approve merges. */
const approvers = (orgId: string, roles: readonly string[]) => sql`memberships m
  join users u on u.id = m.user_id and u.kind = 'person' and u.is_active and u.deleted_at is null
  where m.org_id = ${orgId} and m.role_id = any(${sql.param([...roles])}::uuid[])`;

const approverRoles = (tx: Queryable, orgId: string): Promise<string[]> =>
  rolesWith(tx, orgId, [approvingPermissions]);

/** Counts the people besides a proposer who could approve. */
export async function countApprovers(
  tx: Queryable,
  orgId: string,
  proposerId: string,
): Promise<number> {
  const roles = await approverRoles(tx, orgId);
  const { rows } = await tx.execute<{ count: number }>(sql`
    select count(*)::int as count from ${approvers(orgId, roles)} and m.user_id <> ${proposerId}`);
  return rows[0]?.count ?? 0;
}

/** Counts the approvals of people who may still approve merges. */
export async function countApprovals(
  tx: Queryable,
  { id, org_id }: Pick<ChangeRow, "id" | "org_id">,
): Promise<number> {
  const roles = await approverRoles(tx, org_id);
  const { rows } = await tx.execute<{ count: number }>(sql`
    select count(*)::int as count from protection_change_approvals a where a.change_id = ${id}
      and exists (select from ${approvers(org_id, roles)} and m.user_id = a.approver_id)`);
  return rows[0]?.count ?? 0;
}

interface ShownRow extends Record<string, unknown>, ChangeRow {
  others: number;
  approvals: ProtectionChange["approvals"];
}

/** Returns changes that fulfill a condition on `c`, newest first, in their API form. */
async function show(
  tx: Queryable,
  orgId: string,
  condition: ReturnType<typeof sql>,
  limit: number,
): Promise<ProtectionChange[]> {
  const roles = await approverRoles(tx, orgId);
  const { rows } = await tx.execute<ShownRow>(sql`
    select c.*,
      (select count(*)::int from ${approvers(orgId, roles)} and m.user_id <> c.proposer_id) as others,
      coalesce((select json_agg(json_build_object('by', a.approver, 'at', a.approved_at)
          order by a.approved_at, a.approver_id)
        from protection_change_approvals a where a.change_id = c.id and (c.ended_at is not null
          or exists (select from ${approvers(orgId, roles)} and m.user_id = a.approver_id))), '[]')
        as approvals
    from protection_changes c where ${condition} order by c.id desc limit ${limit}`);
  return rows.map(changeOf);
}

export async function findChange(
  tx: Queryable,
  orgId: string,
  id: string,
): Promise<ProtectionChange | undefined> {
  const [found] = await show(tx, orgId, sql`c.id = ${id}`, 1);
  return found;
}

/** Lists the changes of a project, newest first. @param before the id of the last one before the page */
export function listChanges(
  tx: Queryable,
  orgId: string,
  projectId: string,
  before: string | null,
  limit: number,
): Promise<ProtectionChange[]> {
  const condition = sql`c.project_id = ${projectId}
    ${before === null ? sql`` : sql`and c.id < ${before}`}`;
  return show(tx, orgId, condition, limit);
}

function changeOf(row: ShownRow): ProtectionChange {
  const { id, project_id, proposed_by, protected_branches, checks, status, reason } = row;
  return {
    id,
    project_id,
    proposed_by,
    protected_branches,
    checks,
    status,
    reason,
    required_approvals:
      status === "pending" ? Math.min(row.asked_approvals, row.others) : row.required_approvals,
    approvals: row.approvals.map(({ by, at }) => ({ by, at: isoInstant(at) })),
    created_at: isoInstant(row.created_at),
    ended_at: row.ended_at === null ? null : isoInstant(row.ended_at),
  };
}
