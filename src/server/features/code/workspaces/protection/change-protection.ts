/** Changes what decides about merges into the branches of a project: protected branches and checks. */
import type { Check } from "#shared/api/code/merge-requests.js";
import { canonicalJson } from "#shared/organization/audit.js";
import {
  weakenedApprovals,
  type ProtectedBranch,
  type Protection,
} from "#shared/code/protection.js";
import { requirePermission, type Access } from "../../../../access/access.js";
import { diffFields, type AuditWriter } from "../../../../db/audit/audit.js";
import type { Queryable } from "../../../../db/connection/connect.js";
import type { CheckDefinition } from "../../../../db/tables/workspace-tables.js";
import { AppError, notFound } from "../../../../errors.js";
import type { OrgContext } from "../../../../http/requests/request-context.js";
import * as checkQueries from "../queue/checks.queries.js";
import {
  findActiveProjectName,
  readProtectedBranches,
  writeProtectedBranches,
} from "../branch-rules/protection.queries.js";
import { definitionOf } from "../check-definition.js";
import * as queries from "./protection-changes.queries.js";

/** Maximum number of checks of a project. */
const MAX_CHECKS = 50;

export type NewCheck = Omit<Check, "updated_at">;

export interface ProtectionInput {
  protected_branches?: ProtectedBranch[] | undefined;
  checks?: readonly NewCheck[] | undefined;
}

interface CurrentProtection extends Protection {
  checks: ReadonlyMap<string, CheckDefinition>;
}

/** A change that was compared with the current protection. The organization's lock keeps it current. */
export interface PlannedChange {
  project: { id: string; name: string };
  input: ProtectionInput;
  before: CurrentProtection;
  after: CurrentProtection;
  /** The approvals that the weakened rules ask for. */
  asked: number;
}

/** @throws AppError 403 */
export function requireProtectionRights(access: Access, checks: readonly NewCheck[] = []): void {
  requirePermission(access, "project:write");
  requirePermission(access, "project:protection:write");
  if (checks.some(({ network }) => network === "full")) {
    requirePermission(access, "agent:network:full");
  }
}

/** @throws AppError 404; 409 `too_many_checks`; 422 for a check that does not exist */
export async function planChange(
  tx: Queryable,
  projectId: string,
  input: ProtectionInput,
): Promise<PlannedChange> {
  const name = await findActiveProjectName(tx, projectId);
  if (name === undefined) throw notFound();
  const entries = await readProtectedBranches(tx, projectId);
  const stored = await checkQueries.listChecks(tx, projectId, "", MAX_CHECKS);
  const checks = new Map(stored.map((check) => [check.name, definitionOf(check)]));
  const changed = new Map(checks);
  for (const check of input.checks ?? []) changed.set(check.name, definitionOf(check));
  if (changed.size > MAX_CHECKS) {
    throw new AppError(
      "too_many_checks",
      `A project has at most ${MAX_CHECKS} checks; delete one first.`,
    );
  }
  requireChecks(input.protected_branches ?? [], changed);
  const before = { entries, checks };
  const after = { entries: input.protected_branches ?? entries, checks: changed };
  const asked = weakenedApprovals(before, after);
  return { project: { id: projectId, name }, input, before, after, asked };
}

/** @throws AppError 422 for a check that does not exist */
function requireChecks(
  entries: readonly ProtectedBranch[],
  known: ReadonlyMap<string, object>,
): void {
  for (const [at, { checks }] of entries.entries()) {
    const index = checks.findIndex((name) => !known.has(name));
    if (index === -1) continue;
    const msg = `names no check of the project: ${checks[index]}; create it first`;
    const loc = ["body", "protected_branches", at, "checks", index];
    throw new AppError("validation_failed", `checks ${msg}.`, {
      errors: [{ loc, msg, type: "unknown_check" }],
    });
  }
}

/** Returns the number of other people who must approve a change: at most those who could. */
export async function requiredApprovals(
  tx: Queryable,
  orgId: string,
  proposerId: string,
  asked: number,
): Promise<number> {
  if (asked === 0) return 0;
  return Math.min(asked, await queries.countApprovers(tx, orgId, proposerId));
}

/**
 * Changes the protection for the caller of a change, at once. The caller of this function audits new
 * protected branches.
 * @throws AppError 403; 404; 409 `protection_change_needs_approval`, `too_many_checks`; 422
 */
export async function changeProtection(
  tx: Queryable,
  audit: AuditWriter,
  { orgId, actor }: Pick<OrgContext, "orgId" | "actor">,
  access: Access,
  projectId: string,
  input: ProtectionInput,
): Promise<void> {
  requireProtectionRights(access, input.checks);
  const plan = await planChange(tx, projectId, input);
  const required = await requiredApprovals(tx, orgId, actor.userId, plan.asked);
  if (required > 0) {
    const people = required === 1 ? "one other person" : `${required} other people`;
    throw new AppError(
      "protection_change_needs_approval",
      `The change weakens a rule that asks for approvals, so ${people} must approve it; propose it at /api/v1/projects/${projectId}/protection-changes.`,
      { required_approvals: required },
    );
  }
  await writeProtection(tx, audit, orgId, plan);
}

/** Writes a planned change, audits its checks, and ends a pending change, which was judged by the old rules. */
export async function writeProtection(
  tx: Queryable,
  audit: AuditWriter,
  orgId: string,
  { project, input, before, after }: PlannedChange,
): Promise<void> {
  const isSame = canonicalJson(before.entries) === canonicalJson(after.entries);
  if (!isSame) await writeProtectedBranches(tx, project.id, [...after.entries]);
  const changed = (input.checks ?? []).filter(
    (check) => canonicalJson(before.checks.get(check.name)) !== canonicalJson(definitionOf(check)),
  );
  for (const check of changed) {
    const known = before.checks.get(check.name) ?? null;
    await checkQueries.putCheck(tx, { org_id: orgId, project_id: project.id }, check);
    audit({
      action: "project.check_set",
      target: { type: "project", ...project },
      changes: {
        check: { from: known && check.name, to: check.name },
        ...diffFields(known, definitionOf(check), definitionFields),
      },
    });
  }
  if (!isSame || changed.length > 0) await supersedeChange(tx, audit, project);
}

const definitionFields = ["command", "timeout_seconds", "network", "log_pattern"] as const;

/** Ends the pending change of a project whose protection has changed. */
export async function supersedeChange(
  tx: Queryable,
  audit: AuditWriter,
  project: { id: string; name: string },
): Promise<void> {
  const id = await queries.findPendingId(tx, project.id);
  if (id === undefined) return;
  const reason = "The protected branches or checks were changed meanwhile.";
  await queries.endChange(tx, id, { status: "superseded", reason });
  audit({
    action: "project.protection_ended",
    target: { type: "project", ...project },
    changes: {
      protection_change_id: { from: null, to: id },
      status: { from: "pending", to: "superseded" },
    },
  });
}
