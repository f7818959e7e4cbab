/** Changes of protection that weaken a rule, and the approvals that the old rule asks for. */
import type { WorkspaceDeps } from "../workspace.js";
import type { ProtectionChange } from "#shared/api/code/protection-changes.js";
import { isPerson, type Actor } from "../../../../access/authenticate.js";
import { isStillAllowed } from "../../../../access/original-caller.js";
import { diffFields, originOf, type AuditWriter } from "../../../../db/audit/audit.js";
import type { Queryable } from "../../../../db/connection/connect.js";
import { newId } from "../../../../db/tables/columns.js";
import { AppError, notFound } from "../../../../errors.js";
import type { OrgContext } from "../../../../http/requests/request-context.js";
import { advanceQueuesOf } from "../queue/check-definitions.js";
import { authorOf } from "../../../../access/author.queries.js";
import { findActiveProjectName } from "../branch-rules/protection.queries.js";
import {
  planChange,
  requiredApprovals,
  requireProtectionRights,
  writeProtection,
  type PlannedChange,
  type ProtectionInput,
} from "./change-protection.js";
import { requirePattern } from "../check-definition.js";
import * as queries from "./protection-changes.queries.js";
import type { ChangeRow } from "./protection-changes.queries.js";

/** @throws AppError 404 */
export async function readChange(
  { tx, orgId }: Pick<OrgContext, "tx" | "orgId">,
  id: string,
): Promise<ProtectionChange> {
  const found = await tx((db) => queries.findChange(db, orgId, id));
  if (!found) throw notFound();
  return found;
}

/**
 * Changes the protection at once, or proposes the change if it needs approvals.
 * @throws AppError 403; 404; 409 `protection_change_open`, `too_many_checks`; 422
 */
export async function proposeChange(
  deps: WorkspaceDeps,
  context: OrgContext,
  projectId: string,
  input: ProtectionInput,
): Promise<ProtectionChange> {
  const { orgId, actor } = context;
  for (const { log_pattern } of input.checks ?? []) requirePattern(log_pattern);
  const id = newId();
  await context.change(async (tx, audit, access) => {
    requireProtectionRights(access, input.checks);
    const plan = await planChange(tx, projectId, input);
    const required = await requiredApprovals(tx, orgId, actor.userId, plan.asked);
    const status = required === 0 ? "applied" : "pending";
    if (status === "pending") await requireNonePending(tx, projectId);
    else await applyChange(tx, audit, orgId, plan, id);
    await queries.insertChange(tx, {
      id,
      org_id: orgId,
      project_id: projectId,
      proposer_id: actor.userId,
      proposed_by: authorOf(context),
      origin: originOf(context),
      protected_branches: input.protected_branches ?? null,
      checks: [...(input.checks ?? [])],
      asked_approvals: plan.asked,
      required_approvals: required,
      status,
    });
    if (status === "applied") return;
    audit({
      action: "project.protection_proposed",
      target: targetOf(plan),
      changes: { ...changesOf(plan, id), required_approvals: { from: null, to: required } },
    });
  });
  await advanceQueuesOf(deps, context, projectId);
  return readChange(context, id);
}

/** @throws AppError 409 `protection_change_open` */
async function requireNonePending(tx: Queryable, projectId: string): Promise<void> {
  const protection_change_id = await queries.findPendingId(tx, projectId);
  if (protection_change_id === undefined) return;
  throw new AppError(
    "protection_change_open",
    "Another change of the project's protection waits for approvals; withdraw it first.",
    { protection_change_id },
  );
}

/**
 * Approves a pending change. With the last approval it is applied in the same transaction, unless its
 * proposer has lost the permission.
 * @throws AppError 403 `own_work` for the proposer, agents and service accounts; 404; 409
 * `protection_change_ended`
 */
export async function approveChange(
  deps: WorkspaceDeps,
  context: OrgContext,
  id: string,
): Promise<ProtectionChange> {
  const { orgId, actor } = context;
  const projectId = await context.change(async (tx, audit) => {
    const found = await requirePending(tx, id);
    requireOtherPerson(actor, found);
    const name = await findActiveProjectName(tx, found.project_id);
    if (name === undefined) throw notFound();
    const approver = authorOf(context);
    const approval = { change_id: id, approver_id: actor.userId, org_id: orgId, approver };
    if (await queries.insertApproval(tx, approval)) {
      audit({
        action: "project.protection_approved",
        target: { type: "project", id: found.project_id, name },
        changes: { protection_change_id: { from: null, to: id } },
      });
    }
    await applyIfApproved(tx, audit, found);
    return found.project_id;
  });
  await advanceQueuesOf(deps, context, projectId);
  return readChange(context, id);
}

/** Any other change of the protection ends a pending one, so that the old rules are still in force. */
async function applyIfApproved(tx: Queryable, audit: AuditWriter, row: ChangeRow): Promise<void> {
  const { id, org_id, project_id, proposer_id, origin, protected_branches, checks } = row;
  const input = { protected_branches: protected_branches ?? undefined, checks };
  const plan = await planChange(tx, project_id, input);
  const required = await requiredApprovals(tx, org_id, proposer_id, plan.asked);
  await queries.setRequired(tx, id, required);
  if ((await queries.countApprovals(tx, row)) < required) return;
  if (!(await mayStillChange(tx, row))) {
    return endChange(
      tx,
      audit,
      plan.project,
      id,
      "The person who proposed it may no longer change the protection.",
    );
  }
  // It must not supersede itself.
  await queries.endChange(tx, id, { status: "applied", reason: null });
  // The proposer is the author.
  await applyChange(tx, (event) => audit({ ...event, origin }), org_id, plan, id);
}

async function mayStillChange(
  tx: Queryable,
  { org_id, origin, checks }: ChangeRow,
): Promise<boolean> {
  const needed = [
    "project:write",
    "project:protection:write",
    ...(checks.some(({ network }) => network === "full") ? (["agent:network:full"] as const) : []),
  ] as const;
  for (const permission of needed) {
    if (!(await isStillAllowed(tx, origin, org_id, permission))) return false;
  }
  return true;
}

/** @throws AppError 404; 409 `protection_change_ended` */
export async function withdrawChange(context: OrgContext, id: string): Promise<void> {
  await context.change(async (tx, audit) => {
    const { project_id } = await requirePending(tx, id);
    const name = await findActiveProjectName(tx, project_id);
    if (name === undefined) throw notFound();
    await endChange(tx, audit, { id: project_id, name }, id, "It was withdrawn.");
  });
}

async function endChange(
  tx: Queryable,
  audit: AuditWriter,
  project: { id: string; name: string },
  id: string,
  reason: string,
): Promise<void> {
  await queries.endChange(tx, id, { status: "withdrawn", reason });
  audit({
    action: "project.protection_ended",
    target: { type: "project", ...project },
    changes: {
      protection_change_id: { from: null, to: id },
      status: { from: "pending", to: "withdrawn" },
    },
  });
}

/** Writes a change, with the audit events of its parts and one of its own. */
async function applyChange(
  tx: Queryable,
  audit: AuditWriter,
  orgId: string,
  plan: PlannedChange,
  id: string,
): Promise<void> {
  await writeProtection(tx, audit, orgId, plan);
  audit({
    action: "project.protection_applied",
    target: targetOf(plan),
    changes: changesOf(plan, id),
  });
}

const targetOf = ({ project }: PlannedChange) => ({ type: "project", ...project }) as const;

const changesOf = ({ before, after, input }: PlannedChange, id: string) => ({
  protection_change_id: { from: null, to: id },
  ...diffFields(
    { protected_branches: before.entries, checks: [] as string[] },
    { protected_branches: after.entries, checks: (input.checks ?? []).map(({ name }) => name) },
    ["protected_branches", "checks"],
  ),
});

/** @throws AppError 404; 409 `protection_change_ended` */
async function requirePending(tx: Queryable, id: string): Promise<ChangeRow> {
  const found = await queries.findRow(tx, id);
  if (!found) throw notFound();
  if (found.status === "pending") return found;
  throw new AppError(
    "protection_change_ended",
    `The change of protection was ${found.status}; propose a new one.`,
    { protection_change_status: found.status },
  );
}

/** @throws AppError 403 `own_work` */
function requireOtherPerson(
  { kind, userId }: Pick<Actor, "kind" | "userId">,
  { proposer_id }: ChangeRow,
): void {
  if (isPerson({ kind }) && userId !== proposer_id) return;
  const who = isPerson({ kind })
    ? "You proposed this change"
    : "Only people approve changes of protection";
  throw new AppError("own_work", `${who}; another person must approve it.`);
}
