import type { ReactElement } from "react";
import type { ClusterNode } from "#shared/api/operation/nodes.js";
import { Badge, type Tone } from "../../../../ui/feedback/badge.js";
import { formatBytes, formatNumber } from "../../../../ui/text/number.js";

const states: Record<ClusterNode["status"], { label: string; tone: Tone }> = {
  active: { label: "Active", tone: "good" },
  draining: { label: "Draining", tone: "warn" },
  unavailable: { label: "Unavailable", tone: "bad" },
};

export function ServerStatus({ node: { status } }: { node: ClusterNode }): ReactElement {
  return <Badge tone={states[status].tone}>{states[status].label}</Badge>;
}

/** "181 GiB of 240 GiB" */
export function freeDiskOf({
  disk_free_bytes: free,
  disk_total_bytes: total,
}: ClusterNode): string {
  return free === null || total === null ? "–" : `${formatBytes(free)} of ${formatBytes(total)}`;
}

/** "0.8 of 4": the load average and the number of processors. */
export function loadOf({ load, processors }: ClusterNode): string {
  return load === null || processors === null
    ? "–"
    : `${load.toFixed(1)} of ${formatNumber(processors)}`;
}
