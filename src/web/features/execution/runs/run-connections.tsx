import type { ReactElement } from "react";
import type { Run } from "#shared/api/execution/runs.js";
import { useCursorPages } from "../../../api/cursor-pages.js";
import { egressList } from "../../../api/queries/execution/runs.js";
import { Card } from "../../../ui/layout/card.js";
import { PageSteps } from "../../../ui/tables/list-view.js";
import { Table } from "../../../ui/tables/table.js";
import { PlainText } from "../../../ui/text/plain-text.js";
import { Time } from "../../../ui/text/time.js";
import { Waiting } from "../../../components/await.js";
import { formatBinaryBytes } from "../parts/runs/format.js";

/** The connections of a run with a restricted network. */
export function RunConnections({ run }: { run: Run }): ReactElement {
  const { query, rows, place } = useCursorPages(egressList(run));
  const { allowed, denied } = run.egress;
  return (
    <Card title={`Connections: ${allowed} allowed, ${denied} denied`}>
      {query.data === undefined ? (
        <Waiting query={query} what="The connections" />
      ) : rows.length === 0 ? (
        <p className="text-muted">
          {run.ended_at === null
            ? "No connection has ended yet."
            : "The run connected to no other host."}
        </p>
      ) : (
        <div className="-m-4">
          <Table
            label="Connections"
            rows={rows}
            rowKey={({ id }) => id}
            columns={[
              {
                name: "Host",
                renderCell: ({ host, port }) => (
                  <code className="font-mono text-[13px] [overflow-wrap:anywhere]">
                    <PlainText value={host === "" ? "None" : `${host}:${port}`} />
                  </code>
                ),
              },
              {
                name: "Decision",
                renderCell: ({ decision, reason }) =>
                  decision === "allowed" ? (
                    "Allowed"
                  ) : (
                    <span className={decision === "denied" ? "text-bad" : "text-muted"}>
                      {decision === "denied" ? "Denied" : "Failed"}:{" "}
                      <PlainText value={reason ?? ""} />
                    </span>
                  ),
              },
              { name: "Time", renderCell: ({ at }) => <Time value={at} withSeconds /> },
              {
                name: "Sent",
                isNumber: true,
                renderCell: ({ bytes_sent }) => formatBinaryBytes(bytes_sent),
              },
              {
                name: "Received",
                isNumber: true,
                renderCell: ({ bytes_received }) => formatBinaryBytes(bytes_received),
              },
            ]}
          />
          <PageSteps label="Pages of connections" {...place} />
        </div>
      )}
    </Card>
  );
}
