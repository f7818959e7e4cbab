import { Link } from "@tanstack/react-router";
import type { ReactElement } from "react";
import { nodeList } from "../../../../api/queries/operation/admin.js";
import { paths } from "../../../../paths/paths.js";
import { formatNumber } from "../../../../ui/text/number.js";
import { PlainText } from "../../../../ui/text/plain-text.js";
import { Time } from "../../../../ui/text/time.js";
import { CursorTable } from "../cursor-table.js";
import { DrainButton } from "./drain-button.js";
import { freeDiskOf, loadOf, ServerStatus } from "./server-state.js";

/** The servers that share the database, with their projects, disks and load. */
export function ServersTab(): ReactElement {
  return (
    <div className="flex flex-col gap-4">
      <p className="text-muted">
        Each project is stored on one server. A draining server keeps its projects and gets no new
        ones. Projects are moved on the page of their server.
      </p>
      <CursorTable
        label="servers"
        list={nodeList}
        empty="No servers yet."
        rowKey={({ id }) => id}
        columns={[
          {
            name: "Server",
            renderCell: ({ id, name, host }) => (
              <>
                <Link
                  {...paths.adminServer(id)}
                  className="font-medium text-accent-ink hover:underline"
                >
                  <PlainText value={name} />
                </Link>
                {host !== null && (
                  <span className="block text-[13px] text-muted">
                    <PlainText value={host} />
                  </span>
                )}
              </>
            ),
          },
          {
            name: "Status",
            renderCell: (node) => <ServerStatus node={node} />,
          },
          {
            name: "Projects",
            isNumber: true,
            renderCell: ({ projects }) => formatNumber(projects),
          },
          { name: "Runs", isNumber: true, renderCell: ({ running }) => formatNumber(running) },
          {
            name: "Free disk",
            isNumber: true,
            renderCell: freeDiskOf,
          },
          {
            name: "Load",
            isNumber: true,
            renderCell: loadOf,
          },
          { name: "Version", renderCell: ({ version }) => version ?? "–" },
          {
            name: "Started",
            renderCell: ({ started_at }) =>
              started_at === null ? "Never" : <Time value={started_at} />,
          },
          { name: "Actions", renderCell: (node) => <DrainButton node={node} /> },
        ]}
      />
    </div>
  );
}
