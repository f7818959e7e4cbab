import { useQuery } from "@tanstack/react-query";
import type { ReactElement } from "react";
import type { DiskUsage } from "#shared/api/organization/usage.js";
import { useListView } from "../../../../lists/list-search.js";
import { ListTable } from "../../../../ui/tables/list-table.js";
import type { Sorting } from "../../../../ui/tables/list-view.js";
import { formatBytes } from "../../../../ui/text/number.js";
import { PlainText } from "../../../../ui/text/plain-text.js";
import { Time } from "../../../../ui/text/time.js";
import { ResourceCard } from "../../../../components/resource-card.js";
import { diskUsageQuery } from "../../../../api/queries/organization/usage.js";

/** Disk usage of the organization's workspaces and repositories. */
export function DiskUsageCard({ orgId }: { orgId: string }): ReactElement {
  const usage = useQuery(diskUsageQuery(orgId));
  return (
    <ResourceCard title="Disk usage" query={usage} rows={2}>
      {(data) =>
        data.measured_at === null ? (
          <p className="text-muted">There is no project yet.</p>
        ) : (
          <div className="flex flex-col gap-3">
            <div className="-mx-4 -mt-4">
              <ProjectTable usage={data} />
            </div>
            <p className="text-muted">
              Shared files belong to the commit that workspaces start from. A workspace adds its own
              changes. Measured <Time value={data.measured_at} /> or later.
            </p>
          </div>
        )
      }
    </ResourceCard>
  );
}

type Figure = "workspaces_bytes" | "layers_bytes" | "repositories_bytes";
type Row = DiskUsage["projects"][number];

const sumOf = (row: Record<Figure, number>): number =>
  row.workspaces_bytes + row.layers_bytes + row.repositories_bytes;

const sortings: readonly Sorting<Row>[] = [
  { key: "project", label: "Project", by: ({ project_name }) => project_name },
  { key: "workspaces", label: "Workspaces", by: ({ workspaces_bytes }) => workspaces_bytes },
  { key: "shared", label: "Shared files", by: ({ layers_bytes }) => layers_bytes },
  { key: "repository", label: "Repository", by: ({ repositories_bytes }) => repositories_bytes },
  { key: "together", label: "Total", by: sumOf },
];
const textOf = ({ project_name }: Row): string => project_name;

function ProjectTable({ usage }: { usage: DiskUsage }): ReactElement {
  const view = useListView(usage.projects, { sortings, textOf, prefix: "disk_" });
  const column = (name: string, sortKey: string, key: Figure) => ({
    name,
    sortKey,
    isNumber: true,
    renderCell: (row: Row) => formatBytes(row[key]),
    total: formatBytes(usage[key]),
  });
  return (
    <ListTable
      label="Disk usage by project"
      noun="project"
      placeholder="Project"
      view={view}
      rowKey={(row) => row.project_id}
      columns={[
        {
          name: "Project",
          sortKey: "project",
          renderCell: (row) => <PlainText value={row.project_name} />,
          total: "Total",
        },
        column("Workspaces", "workspaces", "workspaces_bytes"),
        column("Shared files", "shared", "layers_bytes"),
        column("Repository", "repository", "repositories_bytes"),
        {
          name: "Total",
          sortKey: "together",
          isNumber: true,
          renderCell: (row) => formatBytes(sumOf(row)),
          total: formatBytes(sumOf(usage)),
        },
      ]}
    />
  );
}
