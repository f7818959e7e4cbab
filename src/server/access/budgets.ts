import { budgetFields } from "#shared/api/organizations/budgets.js";
import { denyMissingPermission, type Access } from "./access.js";

type Budgets = { [Field in (typeof budgetFields)[number]]?: number | null | undefined };

/**
 * Returns the budgets among the changed fields of a project or an agent, which need a permission of
 * their own.
 * @throws AppError 403
 */
export function changedBudgets(
  access: Access,
  changes: Budgets,
): Partial<Record<keyof Budgets, number | null>> {
  const given = budgetFields.flatMap((field) => {
    const value = changes[field];
    return value === undefined ? [] : [[field, value] as const];
  });
  if (given.length > 0) denyMissingPermission(access, "org:limits:write");
  return Object.fromEntries(given);
}
