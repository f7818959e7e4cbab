import { isAllowedModel } from "#shared/execution/models/allowed-models.js";
import { CallError } from "./call-error.js";
import type { CallBudgets } from "./models.queries.js";

/** Seconds after which a call is tried again that is refused because of calls under way. */
export const RESERVED_RETRY_SECONDS = 10;

/**
 * Refuses a call if a budget is used up. One call is made however little is left, because its tokens are known
 * only at its end.
 * @throws CallError 429
 */
export function requireBudget({ budgets, month_seconds }: CallBudgets): void {
  for (const budget of budgets) {
    const { owner, max_model_cost_usd: cost, max_model_tokens: tokens } = budget;
    if (tokens !== null && budget.tokens >= tokens) {
      throw exceeded(month_seconds, `The ${owner} has used its budget of ${tokens} model tokens`);
    }
    if (cost !== null && budget.cost_nanousd >= cost * 1e9) {
      throw exceeded(month_seconds, `The ${owner} has used its budget of $${cost} for models`);
    }
  }
}

/**
 * Refuses a call that uses tokens if a budget may be used up by the calls under way.
 * @throws CallError 429
 */
export function requireUnreserved({ budgets }: CallBudgets): void {
  for (const budget of budgets) {
    const { owner, max_model_cost_usd: cost, max_model_tokens: tokens } = budget;
    if (tokens !== null && budget.tokens + budget.reserved_tokens >= tokens) {
      throw reserved(`the ${owner}'s budget of ${tokens} model tokens`);
    }
    if (cost !== null && budget.cost_nanousd + budget.reserved_nanousd >= cost * 1e9) {
      throw reserved(`the ${owner}'s budget of $${cost} for models`);
    }
  }
}

/**
 * Refuses a model without a price, whose cost a budget cannot count.
 * @throws CallError 403
 */
export function requireNoCostBudget(terms: CallBudgets, models: readonly string[]): void {
  if (!hasCostBudget(terms)) return;
  const named = models.length === 0 ? "No model is named" : `${models.join(", ")} has no price`;
  const detail = `${named}, so a budget in dollars cannot count it; use another model, or ask the operator to add its price to OMOI_MODEL_PRICES.`;
  throw new CallError(403, "model_without_price", detail, { isFinal: true });
}

export function hasCostBudget({ budgets }: CallBudgets): boolean {
  return budgets.some(({ max_model_cost_usd }) => max_model_cost_usd !== null);
}

/**
 * Refuses a call of a model that the organization does not allow. A call without a model may take any.
 * @throws CallError 403
 */
export function requireAllowedModels(
  allowed: readonly string[] | null,
  models: readonly string[],
): void {
  if (allowed === null) return;
  const excess = models.find((model) => !isAllowedModel(allowed, model));
  if (models.length > 0 && excess === undefined) return;
  const named = excess === undefined ? "A call without a model" : `The model ${excess}`;
  const detail = `${named} is not allowed by the organization; use one of: ${allowed.join(", ")}.`;
  throw new CallError(403, "model_not_allowed", detail, { isFinal: true });
}

function exceeded(seconds: number, what: string): CallError {
  const detail = `${what} for this month; an admin can raise it.`;
  const headers = { "retry-after": String(seconds) };
  return new CallError(429, "budget_exceeded", detail, { headers, isFinal: true });
}

function reserved(what: string): CallError {
  const detail = `The calls under way may use the rest of ${what}; try again when one of them has ended.`;
  const headers = { "retry-after": String(RESERVED_RETRY_SECONDS) };
  return new CallError(429, "budget_exceeded", detail, { headers });
}
