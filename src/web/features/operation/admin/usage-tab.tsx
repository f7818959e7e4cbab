import { useQuery } from "@tanstack/react-query";
import type { ReactElement } from "react";
import { Badge } from "../../../ui/feedback/badge.js";
import { Card, Details } from "../../../ui/layout/card.js";
import { formatBytes, formatHours, formatNumber } from "../../../ui/text/number.js";
import { PlainText } from "../../../ui/text/plain-text.js";
import { Await } from "../../../components/await.js";
import { CursorTable } from "./cursor-table.js";
import {
  installationUsageQuery,
  organizationUsageList,
} from "../../../api/queries/operation/admin.js";

/** Usage in the current month: of the installation, and by organization. */
export function UsageTab(): ReactElement {
  const usage = useQuery(installationUsageQuery);
  return (
    <div className="flex flex-col gap-6">
      <Await query={usage}>
        {(data) => (
          <Card title="Whole installation">
            <Details
              columns={2}
              rows={{
                Users: `${formatNumber(data.users.total)} (${formatNumber(data.users.active)} active)`,
                "Super admins": formatNumber(data.users.super_admins),
                Organizations: formatNumber(data.organizations),
                Projects: formatNumber(data.projects),
                Agents: `${formatNumber(data.agents)} (${formatNumber(data.running_agents)} running)`,
                "Run time this month": formatHours(data.runtime_hours),
                Disk: formatBytes(data.disk_bytes),
              }}
            />
          </Card>
        )}
      </Await>
      <section className="flex flex-col gap-3">
        <h2 className="font-semibold">By organization</h2>
        <CursorTable
          label="organizations"
          list={organizationUsageList}
          empty="No organizations yet."
          rowKey={({ id }) => id}
          columns={[
            {
              name: "Organization",
              renderCell: ({ name, slug, is_active }) => (
                <>
                  <span className="font-medium">
                    <PlainText value={name} />
                  </span>{" "}
                  {!is_active && <Badge>Archived</Badge>}
                  <span className="block text-[13px] text-muted">{slug}</span>
                </>
              ),
            },
            {
              name: "People",
              isNumber: true,
              renderCell: ({ members }) => formatNumber(members),
            },
            {
              name: "Projects",
              isNumber: true,
              renderCell: ({ projects }) => formatNumber(projects),
            },
            {
              name: "Running agents",
              isNumber: true,
              renderCell: ({ agents, running_agents }) =>
                `${formatNumber(running_agents)} of ${formatNumber(agents)}`,
            },
            {
              name: "Run time",
              isNumber: true,
              renderCell: ({ runtime_hours }) => formatHours(runtime_hours),
            },
            {
              name: "Disk",
              isNumber: true,
              renderCell: ({ disk_bytes }) => formatBytes(disk_bytes),
            },
          ]}
        />
      </section>
    </div>
  );
}
