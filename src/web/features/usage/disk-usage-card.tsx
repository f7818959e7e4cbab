import { useQuery } from "@tanstack/react-query";
import type { ReactElement } from "react";
import type { DiskUsage } from "#shared/api/usage.js";
import { Card } from "../../ui/card.js";
import { formatBytes } from "../../ui/number.js";
import { PlainText } from "../../ui/plain-text.js";
import { Skeleton } from "../../ui/states.js";
import { Table } from "../../ui/table.js";
import { Time } from "../../ui/time.js";
import { QueryError } from "../shell/query-state.js";
import { diskUsageQuery } from "./queries.js";

/** What the organization's workspaces and repositories take up on the server's disk. */
export function DiskUsageCard({ orgId }: { orgId: string }): ReactElement {
  const usage = useQuery(diskUsageQuery(orgId));
  return (
    <Card title="Disk use">
      {usage.isPending ? (
        <Skeleton rows={2} />
      ) : usage.isError ? (
        <QueryError error={usage.error} onRetry={() => void usage.refetch()} />
      ) : usage.data.measured_at === null ? (
        <p className="text-muted">Nothing takes up the disk yet: there is no project.</p>
      ) : (
        <div className="flex flex-col gap-3">
          <div className="-mx-4 -mt-4">
            <ProjectTable usage={usage.data} />
          </div>
          <p className="text-muted">
            Shared files are those of a commit that several workspaces began with; each workspace
            adds what it changed. Measured <Time value={usage.data.measured_at} /> or later.
          </p>
        </div>
      )}
    </Card>
  );
}

type Figure = "workspaces_bytes" | "layers_bytes" | "repositories_bytes";

function ProjectTable({ usage }: { usage: DiskUsage }): ReactElement {
  const column = (name: string, key: Figure) => ({
    name,
    isNumber: true,
    renderCell: (row: Record<Figure, number>) => formatBytes(row[key]),
    total: formatBytes(usage[key]),
  });
  const sumOf = (row: Record<Figure, number>): number =>
    row.workspaces_bytes + row.layers_bytes + row.repositories_bytes;
  return (
    <Table
      label="Disk use by project"
      rows={usage.projects}
      rowKey={(row) => row.project_id}
      columns={[
        {
          name: "Project",
          renderCell: (row) => <PlainText value={row.project_name} />,
          total: "Total",
        },
        column("Workspaces", "workspaces_bytes"),
        column("Shared files", "layers_bytes"),
        column("Repository", "repositories_bytes"),
        {
          name: "Together",
          isNumber: true,
          renderCell: (row) => formatBytes(sumOf(row)),
          total: formatBytes(sumOf(usage)),
        },
      ]}
    />
  );
}
