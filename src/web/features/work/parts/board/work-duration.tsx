import type { ReactElement } from "react";
import type { AgentWork } from "#shared/api/work/overview.js";
import { formatDuration } from "../../../execution/parts/runs/format.js";
import { useNow } from "../../../../hooks/use-now.js";

interface WorkDurationProps {
  current: AgentWork["current"];
  /** When it was read, by this machine's clock; milliseconds. */
  readAt: number;
}

/** How long a run has been in progress. */
export function WorkDuration({ current, readAt }: WorkDurationProps): ReactElement | null {
  const now = useNow();
  if (current === null) return null;
  if (current.started_at === null) return <>Queued</>;
  const seconds = (Math.max(now, readAt) - Date.parse(current.started_at)) / 1000;
  return (
    <span className="whitespace-nowrap tabular-nums">
      {formatDuration(Math.max(0, Math.floor(seconds)))}
    </span>
  );
}
