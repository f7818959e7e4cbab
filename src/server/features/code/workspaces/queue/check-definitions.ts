import type { WorkspaceDeps } from "../workspace.js";
import type { Check } from "#shared/api/code/merge-requests.js";
import { AppError, notFound } from "../../../../errors.js";
import type { OrgContext } from "../../../../http/requests/request-context.js";
import {
  changeProtection,
  requireProtectionRights,
  supersedeChange,
  type NewCheck,
} from "../protection/change-protection.js";
import { requirePattern } from "../check-definition.js";
import * as queries from "./checks.queries.js";
import * as requests from "./merge-requests.queries.js";
import {
  findActiveProjectName,
  readProtectedBranches,
} from "../branch-rules/protection.queries.js";
import { sendAdvance } from "./branch-queue.js";

/**
 * Creates or replaces a check. Commits under check are checked anew by a changed definition.
 * @throws AppError 403 without `project:protection:write` or `project:write`, and without
 * `agent:network:full` for the network `full`; 404; 409 `protection_change_needs_approval`,
 * `too_many_checks`; 422
 */
export async function setCheck(
  deps: WorkspaceDeps,
  context: OrgContext,
  projectId: string,
  check: NewCheck,
): Promise<Check> {
  requirePattern(check.log_pattern);
  await context.change((tx, audit, access) =>
    changeProtection(tx, audit, context, access, projectId, { checks: [check] }),
  );
  await advanceQueuesOf(deps, context, projectId);
  const stored = await context.tx((tx) => queries.findCheck(tx, projectId, check.name));
  if (!stored) throw notFound();
  return stored;
}

/** @throws AppError 403; 404; 409 `check_in_use` */
export async function deleteCheck(
  context: OrgContext,
  projectId: string,
  name: string,
): Promise<void> {
  await context.change(async (tx, audit, access) => {
    requireProtectionRights(access);
    const project = await findActiveProjectName(tx, projectId);
    if (project === undefined || !(await queries.findCheck(tx, projectId, name))) throw notFound();
    const entry = (await readProtectedBranches(tx, projectId)).find(({ checks }) =>
      checks.includes(name),
    );
    if (entry) {
      throw new AppError(
        "check_in_use",
        `The protected branch ${entry.pattern} requires the check ${name}; change it first.`,
      );
    }
    await queries.deleteCheck(tx, projectId, name);
    const target = { id: projectId, name: project };
    audit({
      action: "project.check_deleted",
      target: { type: "project", ...target },
      changes: { check: { from: name, to: null } },
    });
    // It may require the check.
    await supersedeChange(tx, audit, target);
  });
}

/** Continues the queues of a project after its rules or checks have changed. */
export async function advanceQueuesOf(
  deps: Pick<WorkspaceDeps, "jobs">,
  context: Pick<OrgContext, "tx" | "orgId">,
  projectId: string,
): Promise<void> {
  const branches = await context.tx((tx) => requests.listOpenBranches(tx, projectId));
  for (const branch of branches) {
    await sendAdvance(deps, { org_id: context.orgId, project_id: projectId, branch });
  }
}
