import type { EventInput, Firing } from "#shared/api/work/automations.js";
import { readDisplayName } from "../../../access/author.queries.js";
import { newId } from "../../../db/tables/columns.js";
import { AppError, notFound } from "../../../errors.js";
import type { OrgContext } from "../../../http/requests/request-context.js";
import { readAutomation } from "./automations.js";
import { fire } from "./firing/fire.js";
import { targetOf } from "./firing/rules/pause.js";
import type { AutomationDeps } from "./firing/prepare.js";
import { claimed, findFiring, insertFiring, listFirings } from "./firings.queries.js";
import { givenEvent } from "./trial.js";

/**
 * Fires an automation by hand, within its limits. A filter does not apply.
 * @throws AppError 404; 409 `automation_paused`; 422
 */
export async function runAutomation(
  deps: AutomationDeps,
  context: OrgContext,
  projectId: string,
  id: string,
  given: EventInput | undefined,
): Promise<Firing> {
  const firingId = newId();
  const row = await context.change(async (tx, audit) => {
    const automation = await readAutomation(tx, projectId, id);
    if (automation.status !== "active") {
      throw new AppError("automation_paused", "The automation is paused; resume it first.");
    }
    const event = await givenEvent(tx, projectId, given ?? { type: "manual" });
    const by = await readDisplayName(tx, context.actor.userId);
    await insertFiring(tx, {
      id: firingId,
      org_id: context.orgId,
      project_id: projectId,
      automation_id: id,
      event_id: `manual ${firingId}`,
      type: "manual",
      event: { trust: event.trust, by, values: event.values },
      event_task_id: event.taskId,
      claimed_until: claimed as never,
    });
    audit({ action: "automation.run", target: targetOf(automation) });
    return findFiring(tx, firingId);
  });
  if (row) await fire(deps, row);
  const [firing] = await context.tx((tx) => listFirings(tx, id, { id: firingId }));
  if (!firing) throw notFound();
  return firing;
}
