import type { ReactElement } from "react";
import type { ClusterNode } from "#shared/api/nodes.js";
import { client } from "../../api/client.js";
import { adminKey, nodeList } from "../../api/queries/admin.js";
import { useApiMutation } from "../../api/use-mutation.js";
import { ConfirmButton } from "../../components/confirmations.js";
import { Button } from "../../ui/actions/button.js";
import { Badge, type Tone } from "../../ui/feedback/badge.js";
import { formatBytes, formatNumber } from "../../ui/text/number.js";
import { PlainText } from "../../ui/text/plain-text.js";
import { Time } from "../../ui/text/time.js";
import { CursorTable } from "./cursor-table.js";

const states: Record<ClusterNode["status"], { label: string; tone: Tone }> = {
  active: { label: "Active", tone: "good" },
  draining: { label: "Draining", tone: "warn" },
  unavailable: { label: "Unavailable", tone: "bad" },
};

/** The servers that share the database, with their projects, disks and load. */
export function ServersTab(): ReactElement {
  return (
    <div className="flex flex-col gap-4">
      <p className="text-muted">
        Each project is stored on one server. A draining server keeps its projects and gets no new
        ones.
      </p>
      <CursorTable
        label="servers"
        list={nodeList}
        empty="No servers yet."
        rowKey={({ id }) => id}
        columns={[
          {
            name: "Server",
            renderCell: ({ name, host }) => (
              <>
                <span className="font-medium">{name}</span>
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
            renderCell: ({ status }) => (
              <Badge tone={states[status].tone}>{states[status].label}</Badge>
            ),
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
            renderCell: ({ disk_free_bytes: free, disk_total_bytes: total }) =>
              free === null || total === null
                ? "–"
                : `${formatBytes(free)} of ${formatBytes(total)}`,
          },
          {
            name: "Load",
            isNumber: true,
            renderCell: ({ load, processors }) =>
              load === null || processors === null
                ? "–"
                : `${load.toFixed(1)} of ${formatNumber(processors)}`,
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

function DrainButton({ node }: { node: ClusterNode }): ReactElement | null {
  const params = { node_id: node.id };
  const resume = useApiMutation({
    run: (_input: undefined, headers) => client.nodes.resume({ params }, { headers }),
    refresh: [adminKey],
    successMessage: () => "Server resumed",
    toastErrors: true,
  });
  if (node.url === null) return null;
  if (node.draining) {
    return (
      <Button
        aria-label={`Resume ${node.name}`}
        pending={resume.pending}
        onClick={() => resume.submit(undefined)}
      >
        Resume
      </Button>
    );
  }
  return (
    <ConfirmButton
      label="Drain"
      aria-label={`Drain ${node.name}`}
      title={`Drain ${node.name}?`}
      action="Drain server"
      mutation={{
        run: (_input, headers) => client.nodes.drain({ params }, { headers }),
        refresh: [adminKey],
        successMessage: () => "Server is draining",
      }}
    >
      The server keeps its projects and gets no new ones, until you resume it.
    </ConfirmButton>
  );
}
