import { createHash } from "node:crypto";
import { RE2JS } from "re2js";
import type { Check } from "#shared/api/projects/merge-requests.js";
import { requirePermission } from "../../../access/access.js";
import { diffFields } from "../../../db/audit/audit.js";
import { canonicalJson } from "#shared/audit.js";
import type { CheckDefinition } from "../../../db/tables/workspace-tables.js";
import { AppError, invalidField, notFound } from "../../../errors.js";
import type { OrgContext } from "../../../http/requests/request-context.js";
import * as queries from "./checks.queries.js";
import * as requests from "./merge-requests.queries.js";
import { findActiveProjectName, readProtectedBranches } from "./protection.queries.js";
import { sendAdvance, type QueueDeps } from "./queue-deps.js";

/** Maximum number of checks of a project. */
const MAX_CHECKS = 50;

const fields = ["command", "timeout_seconds", "network", "log_pattern"] as const;

/** Returns the parts of a check that decide its result. */
export function definitionOf(check: Check): CheckDefinition {
  const { command, timeout_seconds, network, log_pattern } = check;
  return { command, timeout_seconds, network, log_pattern };
}

/** Identifies a definition: the SHA-256 of its canonical JSON, in hex. */
export function hashOf(name: string, definition: CheckDefinition): string {
  return createHash("sha256")
    .update(canonicalJson({ name, ...definition }))
    .digest("hex");
}

/**
 * Creates or replaces a check. Commits under check are checked anew by a changed definition.
 * @throws AppError 403 without `agent:network:full` for the network `full`; 404; 409 `too_many_checks`; 422
 */
export async function setCheck(
  deps: QueueDeps,
  context: OrgContext,
  projectId: string,
  check: Omit<Check, "updated_at">,
): Promise<Check> {
  requirePattern(check.log_pattern);
  if (check.network === "full") requirePermission(context.access, "agent:network:full");
  const { orgId } = context;
  await context.change(async (tx, audit) => {
    const project = await findActiveProjectName(tx, projectId);
    if (project === undefined) throw notFound();
    const before = await queries.findCheck(tx, projectId, check.name);
    if (!before && (await queries.countChecks(tx, projectId)) >= MAX_CHECKS) {
      throw new AppError(
        "too_many_checks",
        `A project has at most ${MAX_CHECKS} checks; delete one first.`,
      );
    }
    const changes = diffFields(before ?? null, { ...check, updated_at: "" }, fields);
    if (before && Object.keys(changes).length === 0) return;
    await queries.putCheck(tx, { org_id: orgId, project_id: projectId }, check);
    audit({
      action: "project.check_set",
      target: { type: "project", id: projectId, name: project },
      changes: { check: { from: before?.name ?? null, to: check.name }, ...changes },
    });
  });
  await advanceQueuesOf(deps, context, projectId);
  const stored = await context.tx((tx) => queries.findCheck(tx, projectId, check.name));
  if (!stored) throw notFound();
  return stored;
}

/** Maximum size of a compiled pattern, in instructions: it bounds the time per character. */
const MAX_PATTERN_SIZE = 500;

/** @throws AppError 422 if RE2 does not accept the pattern, or if it is too large */
function requirePattern(pattern: string | null): void {
  if (pattern === null) return;
  try {
    if (RE2JS.compile(pattern).programSize() > MAX_PATTERN_SIZE) {
      throw new Error("it repeats too much");
    }
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw invalidField("log_pattern", `is no regular expression of RE2: ${reason}`);
  }
}

/** @throws AppError 404; 409 `check_in_use` */
export async function deleteCheck(
  context: OrgContext,
  projectId: string,
  name: string,
): Promise<void> {
  await context.change(async (tx, audit) => {
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
    audit({
      action: "project.check_deleted",
      target: { type: "project", id: projectId, name: project },
      changes: { check: { from: name, to: null } },
    });
  });
}

/** Continues the queues of a project after its rules or checks have changed. */
export async function advanceQueuesOf(
  deps: Pick<QueueDeps, "jobs">,
  context: Pick<OrgContext, "tx" | "orgId">,
  projectId: string,
): Promise<void> {
  const branches = await context.tx((tx) => requests.listOpenBranches(tx, projectId));
  for (const branch of branches) {
    await sendAdvance(deps, { org_id: context.orgId, project_id: projectId, branch });
  }
}
