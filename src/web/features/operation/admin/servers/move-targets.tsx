import type { ReactElement } from "react";
import type { ClusterNode } from "#shared/api/operation/nodes.js";
import { RadioList } from "../../../../ui/fields/radio.js";
import { countOf } from "../../../../ui/text/number.js";
import { PlainText } from "../../../../ui/text/plain-text.js";
import { freeDiskOf } from "./server-state.js";

/** Returns the servers to which projects of a server can move, the one with the most free disk first. */
export function targetsFrom(node: ClusterNode, all: readonly ClusterNode[]): ClusterNode[] {
  return all
    .filter(({ id, status, url }) => id !== node.id && status === "active" && url !== null)
    .toSorted((left, right) => (right.disk_free_bytes ?? 0) - (left.disk_free_bytes ?? 0));
}

/** Returns why no project of a server can move now. */
export function moveDenyReason(
  node: ClusterNode,
  targets: readonly ClusterNode[],
): string | undefined {
  if (node.status === "unavailable") return "The server is unavailable; start it first.";
  if (node.url === null || targets.length === 0)
    return "No other server is available: a project moves to an active server.";
  return undefined;
}

/** A radio group of servers with their free disk. */
export function TargetField({
  targets,
  value,
  onChange,
}: {
  targets: readonly ClusterNode[];
  value: string;
  onChange: (id: string) => void;
}): ReactElement {
  return (
    <RadioList
      legend="Move to"
      value={value}
      onChange={onChange}
      options={targets.map((target) => ({
        value: target.id,
        label: <PlainText value={target.name} />,
        hint: [
          target.disk_free_bytes === null ? "Free disk unknown" : `${freeDiskOf(target)} free`,
          countOf(target.projects, "project"),
        ].join(" · "),
      }))}
    />
  );
}
