import type { ReactElement } from "react";
import { useNow } from "../../../../hooks/use-now.js";
import { formatDuration } from "./format.js";

interface RunDurationProps {
  /** Duration as measured by the server. */
  seconds: number;
  /** When it was received, by this machine's clock, which may differ from the server's; milliseconds. */
  readAt: number;
}

/** The duration of a run in progress; updated every second. */
export function RunDuration({ seconds, readAt }: RunDurationProps): ReactElement {
  const since = Math.max(0, useNow() - readAt) / 1000;
  return <span className="tabular-nums">{formatDuration(Math.floor(seconds + since))}</span>;
}
