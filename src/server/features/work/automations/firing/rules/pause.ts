import { MAX_FAILURES } from "#shared/work/automation-choices.js";
import { systemOrigin } from "../../../../../db/audit/audit.js";
import { lockAutomation, updateAutomation, type AutomationRow } from "../../automations.queries.js";
import { haveAllFailed } from "../../firings.queries.js";
import type { AutomationDeps } from "../prepare.js";

/** An automation as target of the audit log. */
export const targetOf = ({ id, name }: Pick<AutomationRow, "id" | "name">) =>
  ({ type: "automation", id, name }) as const;

/** Pauses an automation on behalf of the server. Its owner is notified. */
export async function pauseAutomation(
  { db }: Pick<AutomationDeps, "db">,
  { id, org_id }: Pick<AutomationRow, "id" | "org_id">,
  reason: string,
): Promise<void> {
  await db.change(org_id, systemOrigin, async (tx, audit) => {
    const automation = await lockAutomation(tx, id);
    if (automation?.status !== "active") return;
    await updateAutomation(tx, id, { status: "paused", status_reason: reason, next_at: null });
    audit({
      action: "automation.paused",
      target: targetOf(automation),
      changes: { status_reason: { from: null, to: reason } },
    });
  });
}

/** Pauses an automation whose last firings have all failed. */
export async function pauseIfFailing(
  deps: Pick<AutomationDeps, "db">,
  orgId: string,
  id: string,
): Promise<void> {
  const isFailing = await deps.db.tenant(orgId, (tx) => haveAllFailed(tx, id, MAX_FAILURES));
  if (!isFailing) return;
  const reason = `It has failed ${MAX_FAILURES} times in a row. Look at its firings, then resume it.`;
  await pauseAutomation(deps, { id, org_id: orgId }, reason);
}
