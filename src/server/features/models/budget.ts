import type { CallTerms } from "./models.queries.js";

/**
 * Returns why a call exceeds a budget, as a sentence; null if it may be made. A call may end above the
 * budget, because its tokens are known only then.
 */
export function budgetProblem({ budgets }: Pick<CallTerms, "budgets">): string | null {
  for (const { owner, max_model_cost_usd, max_model_tokens, cost_nanousd, tokens } of budgets) {
    if (max_model_tokens !== null && tokens >= max_model_tokens) {
      return `The ${owner} has used its budget of ${max_model_tokens} model tokens for this month; an admin can raise it.`;
    }
    if (max_model_cost_usd !== null && cost_nanousd >= max_model_cost_usd * 1e9) {
      return `The ${owner} has used its budget of $${max_model_cost_usd} for models for this month; an admin can raise it.`;
    }
  }
  return null;
}
