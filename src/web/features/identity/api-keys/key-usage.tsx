import { useQuery } from "@tanstack/react-query";
import type { ReactElement } from "react";
import type { ApiKey, KeyUsage } from "#shared/api/identity/api-keys.js";
import { useApiMutation } from "../../../api/use-mutation.js";
import { client } from "../../../api/client.js";
import { BarChart } from "../../../ui/charts/bar-chart.js";
import { Button } from "../../../ui/actions/button.js";
import { Card } from "../../../ui/layout/card.js";
import { countOf, formatNumber } from "../../../ui/text/number.js";
import { Table } from "../../../ui/tables/table.js";
import { Waiting } from "../../../components/await.js";
import { Scopes } from "../parts/api-keys/key-status.js";
import { apiKeysKey, keyUsageQuery } from "../../../api/queries/identity/api-keys.js";

const days = 30;

/** Returns a bar per day, including days without requests. */
function barsOf(usage: KeyUsage) {
  const first = Date.parse(usage.since);
  return Array.from({ length: days }, (_, index) => {
    const day = new Date(first + index * 86_400_000).toISOString().slice(0, 10);
    const value = usage.requests
      .filter((row) => row.day === day)
      .reduce((sum, { count }) => sum + count, 0);
    const text = countOf(value, "request");
    return { key: day, tick: day.slice(8), name: day, text, value };
  });
}

/** Returns request counts by endpoint and status over all days, highest first. */
function endpointsOf({ requests }: KeyUsage) {
  const rows = new Map<string, { endpoint: string; status: number; count: number }>();
  for (const { endpoint, status, count } of requests) {
    const known = rows.get(`${endpoint} ${status}`);
    if (known) known.count += count;
    else rows.set(`${endpoint} ${status}`, { endpoint, status, count });
  }
  return [...rows.values()].toSorted((left, right) => right.count - left.count);
}

export function KeyUsageCard({ apiKey }: { apiKey: ApiKey }): ReactElement {
  const usage = useQuery(keyUsageQuery(apiKey.id));
  if (usage.data === undefined) return <Waiting query={usage} what="The usage" />;
  const rows = endpointsOf(usage.data);
  return (
    <>
      <Card title="Usage">
        {rows.length === 0 ? (
          <p className="text-muted">No request in the last {days} days.</p>
        ) : (
          <div className="flex flex-col gap-4">
            <BarChart
              title="Requests by day"
              description={`Requests of the last ${days} days, including rejected ones. Days are UTC.`}
              bars={barsOf(usage.data)}
            />
            <div className="-mx-4 -mb-4">
              <Table
                label="Requests by endpoint"
                rows={rows}
                rowKey={({ endpoint, status }) => `${endpoint} ${status}`}
                columns={[
                  {
                    name: "Endpoint",
                    renderCell: ({ endpoint }) => (
                      <code className="font-mono text-[13px] break-all">{endpoint}</code>
                    ),
                  },
                  { name: "Status", isNumber: true, renderCell: ({ status }) => status },
                  {
                    name: "Requests",
                    isNumber: true,
                    renderCell: ({ count }) => formatNumber(count),
                  },
                ]}
              />
            </div>
          </div>
        )}
      </Card>
      {usage.data.suggested_scopes !== null && (
        <NarrowOffer apiKey={apiKey} scopes={usage.data.suggested_scopes} />
      )}
    </>
  );
}

function NarrowOffer({ apiKey, scopes }: { apiKey: ApiKey; scopes: string[] }): ReactElement {
  const narrow = useApiMutation({
    run: (wanted: string[]) =>
      client.apiKeys.narrow({ params: { key_id: apiKey.id }, body: { scopes: wanted } }),
    refresh: [apiKeysKey],
    successMessage: () => "Scope narrowed",
    toastErrors: true,
  });
  return (
    <Card
      title="Unused permissions"
      footer={
        <Button variant="primary" pending={narrow.pending} onClick={() => narrow.submit(scopes)}>
          Narrow scope
        </Button>
      }
    >
      <div className="flex flex-col gap-3">
        <p>
          In the last {days} days the key needed only the scope below. A scope cannot be widened
          later.
        </p>
        <Scopes scopes={scopes} />
      </div>
    </Card>
  );
}
