import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { ReactElement } from "react";
import { urlOf } from "#shared/contract/call.js";
import { api } from "../../../../api/api-calls.js";
import { paths } from "../../../../paths/paths.js";
import { Card } from "../../../../ui/layout/card.js";
import { formatHours, formatNumber } from "../../../../ui/text/number.js";
import { Table } from "../../../../ui/tables/table.js";
import { PermissionHint } from "../../../../access/permission-hint.js";
import { checkingReason } from "../../../../access/deny-reason.js";
import { ResourceCard } from "../../../../components/resource-card.js";
import { DownloadLink } from "../../../../components/download-link.js";
import { monthName } from "../../parts/usage/periods.js";
import { statementsQuery } from "../../../../api/queries/organization/usage.js";
import { StatementStatus } from "./statement-status.js";

/** A statement for each month with runs; `reason` says why the viewer may not see them. */
export function StatementList({
  orgId,
  reason,
}: {
  orgId: string;
  reason: string | undefined;
}): ReactElement {
  const statements = useQuery({ ...statementsQuery(orgId), enabled: reason === undefined });
  if (reason !== undefined && reason !== checkingReason) {
    return (
      <Card title="Statements">
        <PermissionHint reason={reason} />
      </Card>
    );
  }
  return (
    <ResourceCard
      title="Statements"
      actions={
        <DownloadLink
          href={urlOf(api.usage.statements, {
            params: { org_id: orgId },
            query: { format: "csv" },
          })}
          label="Download CSV of all months"
        />
      }
      query={statements}
      rows={2}
      isFlush
    >
      {(rows) => (
        <>
          <Table
            label="Statements"
            rows={rows}
            rowKey={(row) => row.period}
            columns={[
              {
                name: "Month",
                renderCell: (row) => (
                  <Link
                    {...paths.statement(orgId, row.period)}
                    className="font-medium text-accent-ink hover:underline"
                  >
                    {monthName(row.period)}
                  </Link>
                ),
              },
              { name: "Status", renderCell: (row) => <StatementStatus status={row.status} /> },
              { name: "Agents", isNumber: true, renderCell: (row) => formatNumber(row.agents) },
              { name: "Runs", isNumber: true, renderCell: (row) => formatNumber(row.runs) },
              {
                name: "Run time",
                isNumber: true,
                renderCell: (row) => formatHours(row.runtime_hours),
              },
            ]}
          />
          {rows.every((row) => row.runs === 0) && (
            <p className="border-t border-line px-4 py-3 text-muted">
              Nothing has run yet. Each month with runs in it is listed here, with a statement to
              print and to download.
            </p>
          )}
        </>
      )}
    </ResourceCard>
  );
}
