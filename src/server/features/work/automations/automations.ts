import type { Automation, AutomationChanges, NewAutomation } from "#shared/api/work/automations.js";
import type { AutomationAction, Condition, Trigger } from "#shared/api/work/automation-parts.js";
import { permissionsBeyond, type Access } from "../../../access/access.js";
import { diffFields, originOf } from "../../../db/audit/audit.js";
import type { Queryable } from "../../../db/connection/connect.js";
import { newId } from "../../../db/tables/columns.js";
import { AppError, invalidField, notFound } from "../../../errors.js";
import type { OrgContext } from "../../../http/requests/request-context.js";
import { cancelChecksOf, findCheck } from "../../code/workspaces/index.js";
import { makeAddress, type Address, type AddressDeps } from "./hook/address.js";
import { targetOf } from "./firing/rules/pause.js";
import * as queries from "./automations.queries.js";
import type { AutomationRow } from "./automations.queries.js";
import { checkSchedules, nextTime } from "./schedule.js";
import { checkPatterns } from "./values.js";

/** Maximum automations of a project. */
const MAX_AUTOMATIONS = 200;
const PER_DAY = 50;
const AT_ONCE = 5;

export type WithAddress = Automation & { webhook: Address | null };

/** What decides about what an automation does, and as whom. */
const decisive = ["triggers", "filter", "action", "acts_as", "limits", "overlap"] as const;

interface Choices {
  triggers: Trigger[];
  filter: Condition[];
  action: AutomationAction;
}

/** Refuses what cannot be used. @throws AppError 422 */
function check({ triggers, filter, action }: Choices): void {
  checkSchedules(triggers, ["body", "triggers"]);
  checkPatterns(filter);
  if (triggers.filter(({ type }) => type === "webhook").length > 1) {
    throw invalidField("triggers", "has one address at most");
  }
  if (action.type === "create_task") {
    const isCustom = action.preset === "custom";
    if (isCustom !== (action.command !== undefined)) {
      throw invalidField("action.command", "belongs to the preset custom, which needs it");
    }
    if (isCustom && action.model !== undefined) {
      throw invalidField("action.model", "does not apply to the preset custom");
    }
  }
}

/** Refuses a check that the project does not have. @throws AppError 422 */
async function requireCheck(
  tx: Queryable,
  projectId: string,
  action: AutomationAction | undefined,
): Promise<void> {
  if (action?.type !== "run_check" || (await findCheck(tx, projectId, action.name))) return;
  throw invalidField("action.name", "is no check of this project", "unknown_id");
}

/** Returns the types of events that triggers listen to. */
export const eventTypesOf = (triggers: readonly Trigger[]): string[] =>
  triggers.flatMap((trigger) =>
    trigger.type === "forge" ? trigger.events : trigger.type === "event" ? trigger.types : [],
  );

/** Defaults of the limits: schedules alone do not repeat what still runs, events wait for their turn. */
const isScheduled = (triggers: readonly Trigger[]): boolean =>
  triggers.every(({ type }) => type === "schedule");

/**
 * Creates an automation that acts as its creator or as a service account.
 * @throws AppError 403 `privilege_escalation`; 409 `too_many_automations`; 422
 */
export async function createAutomation(
  deps: AddressDeps,
  context: OrgContext,
  projectId: string,
  input: NewAutomation,
): Promise<WithAddress> {
  const { triggers, action, filter = [], limits = {}, status = "active" } = input;
  check({ triggers, filter, action });
  const id = newId();
  const made = makeAddress(deps, id, triggers);
  return context.change(async (tx, audit, access) => {
    if ((await queries.countAutomations(tx, projectId)) >= MAX_AUTOMATIONS) {
      throw new AppError(
        "too_many_automations",
        `A project has at most ${MAX_AUTOMATIONS} automations; delete one first.`,
      );
    }
    await requireCheck(tx, projectId, action);
    const actsAs = input.acts_as ?? null;
    await requireActor(tx, context, access, actsAs);
    const scheduled = isScheduled(triggers);
    await queries.insertAutomation(tx, {
      id,
      org_id: context.orgId,
      project_id: projectId,
      name: input.name,
      status,
      triggers,
      event_types: eventTypesOf(triggers),
      filter,
      action,
      ...ownerOf(context),
      service_account_id: actsAs,
      per_day: limits.per_day ?? PER_DAY,
      at_once: limits.at_once ?? (scheduled ? 1 : AT_ONCE),
      cost_usd_per_day: limits.cost_usd_per_day ?? null,
      overlap: input.overlap ?? (scheduled ? "skip" : "queue"),
      ...made?.columns,
      next_at: nextAt(status, triggers),
    });
    const created = await readAutomation(tx, projectId, id);
    audit({
      action: "automation.created",
      target: targetOf(created),
      changes: { project_id: { from: null, to: projectId } },
    });
    return { ...created, webhook: made?.shown ?? null };
  });
}

/** The account that saves it, and the request, whose key limits what the automation may do. */
const ownerOf = (context: OrgContext) => ({
  owner_id: context.actor.userId,
  origin: originOf(context),
});

const nextAt = (status: Automation["status"], triggers: readonly Trigger[]): string | null =>
  (status === "active" ? nextTime(triggers, new Date()) : null)?.toISOString() ?? null;

/**
 * Refuses a service account that may do more than the caller, or than the caller's key: its automation would do it for
 * the caller.
 * @throws AppError 403; 422
 */
async function requireActor(
  tx: Queryable,
  { orgId }: OrgContext,
  access: Access,
  actsAs: string | null,
): Promise<void> {
  if (actsAs === null) return;
  const account = await queries.readServiceAccount(tx, orgId, actsAs);
  if (!account) {
    throw invalidField("acts_as", "is no active service account of the organization", "unknown_id");
  }
  const beyond = permissionsBeyond(access, account.patterns);
  if (beyond.length === 0) return;
  throw new AppError(
    "privilege_escalation",
    `The service account may do more than you: ${beyond.join(", ")}. Choose another one, or ask a member who may.`,
    { missing_permissions: beyond },
  );
}

/**
 * Changes an automation. The caller becomes its owner with a change of what it does or of its actor.
 * @throws AppError 403 `privilege_escalation`; 404; 422
 */
export async function updateAutomation(
  deps: AddressDeps,
  context: OrgContext,
  projectId: string,
  id: string,
  input: AutomationChanges,
): Promise<WithAddress> {
  return context.change(async (tx, audit, access) => {
    const row = await queries.lockAutomation(tx, id);
    const before = await readAutomation(tx, projectId, id);
    if (!row) throw notFound();
    const triggers = input.triggers ?? row.triggers;
    check({ triggers, filter: input.filter ?? row.filter, action: input.action ?? row.action });
    await requireCheck(tx, projectId, input.action);
    const actsAs = input.acts_as === undefined ? row.service_account_id : input.acts_as;
    const isSaved =
      decisive.some((field) => input[field] !== undefined) || lacksActor(before, input);
    if (isSaved) await requireActor(tx, context, access, actsAs);
    const made = changedAddress(deps, row, triggers);
    const status = input.status ?? row.status;
    const { limits = {} } = input;
    const isRescheduled = input.triggers !== undefined || input.status !== undefined;
    await queries.updateAutomation(tx, id, {
      ...(input.name !== undefined && { name: input.name }),
      ...(input.triggers && { triggers, event_types: eventTypesOf(triggers) }),
      ...(input.filter && { filter: input.filter }),
      ...(input.action && { action: input.action }),
      ...(isSaved && { ...ownerOf(context), service_account_id: actsAs }),
      ...(limits.per_day !== undefined && { per_day: limits.per_day }),
      ...(limits.at_once !== undefined && { at_once: limits.at_once }),
      ...(limits.cost_usd_per_day !== undefined && { cost_usd_per_day: limits.cost_usd_per_day }),
      ...(input.overlap && { overlap: input.overlap }),
      ...(input.status !== undefined && { status, status_reason: null }),
      ...(isRescheduled && { next_at: nextAt(status, triggers) }),
      ...made?.columns,
      updated_at: new Date().toISOString(),
    });
    const after = await readAutomation(tx, projectId, id);
    const changes = diffFields(flat(before), flat(after), auditedFields);
    if (Object.keys(changes).length > 0) {
      audit({ action: "automation.updated", target: targetOf(after), changes });
    }
    return { ...after, webhook: made?.shown ?? null };
  });
}

/** Whether an automation without an actor is switched on: the caller takes it over. */
const lacksActor = ({ acts_as }: Automation, { status }: AutomationChanges): boolean =>
  acts_as === null && status === "active";

/** Makes an address for a trigger that is new or now needs a secret, and removes that of a trigger that is gone. */
function changedAddress(deps: AddressDeps, row: AutomationRow, triggers: readonly Trigger[]) {
  const wanted = triggers.find(({ type }) => type === "webhook");
  if (wanted === undefined) {
    return row.token_hash === null
      ? null
      : { columns: { token_hash: null, sealed_secret: null }, shown: null };
  }
  const isSigned = wanted.type === "webhook" && wanted.signed;
  const isSame = row.token_hash !== null && isSigned === (row.sealed_secret !== null);
  return isSame ? null : makeAddress(deps, row.id, triggers);
}

const auditedFields = [
  "name",
  "status",
  "owner",
  "acts_as",
  "triggers",
  "filter",
  "action",
  "per_day",
  "at_once",
  "cost_usd_per_day",
  "overlap",
] as const;

/** An automation as the audit log compares it: long texts are cut. */
function flat({ owner, acts_as, limits, triggers, filter, action, ...rest }: Automation) {
  const text = (value: unknown): string => JSON.stringify(value).slice(0, 2000);
  return {
    ...rest,
    ...limits,
    owner: owner?.name ?? null,
    acts_as: acts_as?.name ?? null,
    triggers: text(triggers),
    filter: text(filter),
    action: text(action),
  };
}

/** Deletes an automation with its firings, and ends their checks. @throws AppError 404 */
export async function deleteAutomation(
  context: OrgContext,
  projectId: string,
  id: string,
): Promise<void> {
  await context.change(async (tx, audit) => {
    const automation = await readAutomation(tx, projectId, id);
    await cancelChecksOf(tx, { automationId: id }, "Its automation was deleted.");
    await queries.deleteAutomation(tx, id);
    audit({ action: "automation.deleted", target: targetOf(automation) });
  });
}

/** Replaces the address and the secret of an automation. @throws AppError 404; 409 `no_webhook_trigger` */
export async function rotateToken(
  deps: AddressDeps,
  context: OrgContext,
  projectId: string,
  id: string,
): Promise<Address> {
  return context.change(async (tx, audit) => {
    const automation = await readAutomation(tx, projectId, id);
    const made = makeAddress(deps, id, automation.triggers);
    if (made === null) {
      throw new AppError("no_webhook_trigger", "Add the trigger webhook first.");
    }
    await queries.updateAutomation(tx, id, made.columns);
    audit({ action: "automation.token_rotated", target: targetOf(automation) });
    return made.shown;
  });
}

/** @throws AppError 404 */
export async function readAutomation(
  tx: Queryable,
  projectId: string,
  id: string,
): Promise<Automation> {
  const found = await queries.findAutomation(tx, projectId, id);
  if (!found) throw notFound();
  return found;
}
