import type { Origin } from "../../../../../db/audit/audit.js";
import { AppError } from "../../../../../errors.js";
import type { CallerContext } from "../../../../../http/requests/request-context.js";
import type { RunDeps } from "../../../../execution/runs/start.js";
import { contextOf, isMember } from "../../../tasks/index.js";
import type { AutomationRow } from "../../automations.queries.js";

/** An automation whose owner, service account or key has ended: it is paused until a member saves it again. */
export class ActorGone extends Error {}

/** Returns the origin of what an automation does; null without an owner. */
function originOfAutomation({
  service_account_id,
  owner_id,
  origin,
}: AutomationRow): Origin | null {
  if (service_account_id !== null) {
    const actor = { userId: service_account_id, agent: null, key: null };
    return { actor, ip: null, requestId: null };
  }
  return owner_id === null || origin.actor?.userId !== owner_id ? null : origin;
}

/**
 * Returns the context in which an automation acts: with the permissions of its service account or of its owner, as they
 * are now, and no more than those of the key with which the owner saved it.
 * @throws ActorGone; AppError 403, 409 `organization_archived`
 */
export async function contextOfAutomation(
  deps: RunDeps,
  automation: AutomationRow,
): Promise<CallerContext> {
  const origin = originOfAutomation(automation);
  if (origin?.actor == null) {
    throw new ActorGone("It has no owner any more. Save it again to own it.");
  }
  const { userId } = origin.actor;
  const gone = (): ActorGone =>
    new ActorGone(
      automation.service_account_id === null
        ? "Its owner is no longer a member of the organization. Save it again to own it."
        : "Its service account is no longer a member of the organization. Choose another one.",
    );
  try {
    return await contextOf(deps, { org_id: automation.org_id, origin });
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    const isPresent = await deps.db.tenant(automation.org_id, (tx) =>
      isMember(tx, automation.org_id, userId),
    );
    if (!isPresent) throw gone();
    if (error.code === "invalid_token") {
      throw new ActorGone(
        origin.actor.key === null
          ? "The account that it acts as is disabled."
          : "The API key with which it was saved has ended. Save it again.",
      );
    }
    throw new AppError(
      error.code,
      error.code === "insufficient_permission"
        ? "It may not start agents: the role of the account that it acts as lacks agent:run."
        : error.message,
    );
  }
}
