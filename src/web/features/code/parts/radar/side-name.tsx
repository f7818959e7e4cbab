import { Link } from "@tanstack/react-router";
import type { ReactElement } from "react";
import type { RadarSide } from "#shared/api/code/radar.js";
import { paths } from "../../../../paths/paths.js";
import { PlainText } from "../../../../ui/text/plain-text.js";

/** A workspace as a link with its agent's name; a base branch by its own name. */
export function SideName({ side }: { side: RadarSide }): ReactElement {
  if (side.agent_id === null) {
    return <PlainText value={side.branch_name} className="font-mono text-[13px]" />;
  }
  return (
    <Link
      {...paths.workspace(side.agent_id)}
      className="inline-flex min-h-6 items-center font-medium text-accent-ink hover:underline"
    >
      <PlainText value={side.agent_name ?? side.branch_name} />
    </Link>
  );
}
