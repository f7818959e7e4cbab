import { CallError } from "./call-error.js";
import type { CallBudgets } from "./models.queries.js";

/** Seconds after which a call is tried again that is refused because of calls under way. */
export const RESERVED_RETRY_SECONDS = 10;

/**
 * Refuses a call if a budget is used up, or may be by the calls under way. One call is made however little is
 * left, because its tokens are known only at its end.
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
