import { z } from "zod";
import { period, usage } from "#shared/api/organizations/usage.js";
import { csvFile, wantsCsv } from "../../http/csv.js";
import type { Handlers } from "../../http/register-routes.js";
import { fromMemory, pagesOf } from "../../http/pagination.js";
import { readDiskUsage } from "../disk-usage/index.js";
import type { WorkspaceDeps } from "../workspaces/index.js";
import { statementsTable, statementTable, usageTable } from "./csv-tables.js";
import { listStatements, readStatement, reportUsage } from "./report-usage.js";
import { readUsage } from "./usage.queries.js";
import { notFound } from "../../errors.js";

export function usageHandlers(workspaces: WorkspaceDeps): Handlers<typeof usage> {
  const statementPages = pagesOf(usage.statements, z.tuple([period]));
  return {
    disk: (context) => readDiskUsage(workspaces, context),
    get: async (context, { query: { by, period, format } }) => {
      const isCsv = wantsCsv(context.request, format);
      if (by === undefined && period === undefined && !isCsv) {
        // The default request needs no rows.
        const usage = await context.tx((tx) => readUsage(tx, context.orgId));
        if (!usage) throw notFound();
        return usage;
      }
      const report = await reportUsage(context, period);
      if (!isCsv)
        return by === undefined ? report.usage : { ...report.usage, rows: report.rows[by] };
      const suffix = by === undefined ? "" : `-by-${by}`;
      const { columns, rows } = usageTable(report, by);
      return csvFile(`usage-${report.slug}-${report.period}${suffix}`, columns, rows);
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
