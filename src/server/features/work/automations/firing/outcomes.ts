import { forgeEvents, MAX_CHAIN } from "#shared/work/automation-choices.js";
import type { ErrorCode } from "#shared/errors.js";
import { AppError } from "../../../../errors.js";
import { decide, type FiringRow, type Outcome } from "../firings.queries.js";
import { holds } from "../values.js";
import type { AutomationDeps } from "./prepare.js";
import type { Work } from "./read-work.js";
import { ActorGone } from "./rules/acting-context.js";
import { pauseAutomation, pauseIfFailing } from "./rules/pause.js";

/** Rules that refuse a firing: no failures of the automation. */
const RULES: ReadonlySet<ErrorCode> = new Set([
  "insufficient_permission",
  "organization_archived",
  "quota_exceeded",
  "task_limit",
  "task_finished",
  "attempt_archived",
  "no_attempt",
  "too_many_prompts",
  "not_found",
]);
/** What passes: the firing stays open, and is tried again. */
const PASSING: ReadonlySet<ErrorCode> = new Set([
  "maintenance",
  "home_unavailable",
  "unavailable",
  "project_moving",
  "run_in_progress",
  // The change that decides a firing also makes its effect: trying it again repeats nothing.
  "outcome_unknown",
]);
/** How long an unexpected error is followed by another try. */
const RETRY_MS = 5 * 60_000;

export const refused = (reason: string): Outcome => ({ decision: "refused", reason });

/** Records what was decided, and pauses an automation that keeps failing. */
export async function record(
  deps: AutomationDeps,
  { id, org_id, automation_id }: FiringRow,
  outcome: Outcome,
): Promise<Outcome> {
  await deps.db.tenant(org_id, (tx) => decide(tx, id, outcome));
  if (outcome.decision === "failed") await pauseIfFailing(deps, org_id, automation_id);
  return outcome;
}

/** Whether an error passes, so that the firing is tried again. */
export const isPassing = (error: unknown): boolean =>
  error instanceof AppError && PASSING.has(error.code);

/** The outcome of a refused call. */
export const outcomeOf = ({ code, message }: AppError): Outcome => ({
  decision: RULES.has(code) ? "refused" : "failed",
  reason: message,
});

/** Records why an automation could not act. Returns null if the firing is tried again. */
export async function recordError(
  deps: AutomationDeps,
  { automation, firing }: Pick<Work, "automation" | "firing">,
  error: unknown,
): Promise<Outcome | null> {
  if (isPassing(error)) return null;
  if (error instanceof ActorGone) {
    await pauseAutomation(deps, automation, error.message);
    return record(deps, firing, refused(error.message));
  }
  if (error instanceof AppError) return record(deps, firing, outcomeOf(error));
  deps.log.error({ err: error, firing: firing.id }, "an automation could not act");
  if (Date.now() - Date.parse(firing.created_at) < RETRY_MS) return null;
  const reason = "The server could not act; the operator can find the cause in its log.";
  return record(deps, firing, { decision: "failed", reason });
}

/**
 * Judges what needs no lock. Returns the links of the chain with this firing; the outcome of one that does not act; or
 * null for one that is deleted, as an event that its filter leaves out is none of the automation's.
 */
export function judgeEvent({
  automation,
  firing,
  values,
  before,
}: Work): { chain: number } | Outcome | null {
  if (firing.type !== "manual" && !holds(automation.filter, values)) {
    return firing.type === "schedule" || firing.type === "webhook"
      ? { decision: "skipped", reason: "The filter does not hold." }
      : null;
  }
  // A person who acts on a forge begins a chain of their own.
  const chain = isByPerson(firing) ? firing.chain : Math.max(firing.chain, before + 1);
  if (chain <= MAX_CHAIN) return { chain };
  const reason = `Automations have led to each other ${MAX_CHAIN} times; this chain ends here.`;
  return { ...refused(reason), chain };
}

const isByPerson = ({ type, event }: FiringRow): boolean =>
  Object.hasOwn(forgeEvents, type) && event.by !== null;
