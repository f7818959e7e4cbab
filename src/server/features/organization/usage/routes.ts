import { z } from "zod";
import { period, usage, type ModelBudget } from "#shared/api/organization/usage.js";
import { csvFile, wantsCsv } from "../../../http/answers/csv.js";
import type { OtherNodes } from "../../../http/forwarding/other-nodes.js";
import type { OrgContext } from "../../../http/requests/request-context.js";
import type { Handlers } from "../../../http/register-routes.js";
import { fromMemory, pagesOf } from "../../../http/requests/pagination.js";
import { type MeasureDeps, readDiskUsage } from "../../operation/disk-usage/index.js";
import { statementsTable, statementTable, usageTable } from "./csv-tables.js";
import { keepMostExpensive, listStatements, readStatement, reportUsage } from "./report-usage.js";
import { readModelBudget, readUsage } from "./usage.queries.js";
import { notFound } from "../../../errors.js";

/** @throws AppError 404 for an owner that is not in the organization */
async function modelBudgetOf(
  context: OrgContext,
  ownerId: string,
): Promise<{ model_budget: ModelBudget }> {
  const model_budget = await context.tx((tx) => readModelBudget(tx, context.orgId, ownerId));
  if (!model_budget) throw notFound();
  return { model_budget };
}

export function usageHandlers(
  workspaces: MeasureDeps,
  otherNodes: OtherNodes,
): Handlers<typeof usage> {
  const statementPages = pagesOf(usage.statements, z.tuple([period]));
  return {
    disk: (context) => readDiskUsage(workspaces, otherNodes, context),
    get: async (context, { query: { by, period, budget_of, format } }) => {
      if (wantsCsv(context.request, format)) {
        const report = await reportUsage(context, period, by);
        const suffix = by === undefined ? "" : `-by-${by}`;
        const { columns, rows } = usageTable(report, by);
        return csvFile(`usage-${report.slug}-${report.period}${suffix}`, columns, rows);
      }
      const budget = budget_of === undefined ? {} : await modelBudgetOf(context, budget_of);
      if (by === undefined && period === undefined) {
        // The default request needs no rows.
        const usage = await context.tx((tx) => readUsage(tx, context.orgId));
        if (!usage) throw notFound();
        return { ...usage, ...budget };
      }
      const { usage, rows, costs } = await reportUsage(context, period, by);
      return {
        ...usage,
        ...(by !== undefined && {
          rows: by === "task" ? keepMostExpensive(rows.task) : rows[by],
        }),
        ...(costs && { model_costs: costs }),
        ...budget,
      };
    },
    statements: async (context, { query }) => {
      const { slug, items } = await listStatements(context);
      if (!wantsCsv(context.request, query.format)) {
        return statementPages(context, query, {
          read: fromMemory(items, (item, [after]) => item.period < after),
          keyOf: (item) => [item.period],
        });
      }
      const { columns, rows } = statementsTable(items);
      return csvFile(`statements-${slug}`, columns, rows);
    },
    statement: async (context, { params, query }) => {
      const statement = await readStatement(context, params.period);
      if (!wantsCsv(context.request, query.format)) return statement;
      const { columns, rows } = statementTable(statement);
      const name = `statement-${statement.organization.slug}-${statement.period}`;
      return csvFile(name, columns, rows);
    },
  };
}
