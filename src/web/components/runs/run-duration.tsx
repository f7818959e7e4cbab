import type { ReactElement } from "react";
import { useNow } from "../../hooks/use-now.js";
import { durationText } from "./figures.js";

interface RunDurationProps {
  /** As the server counted it. */
  seconds: number;
  /** When it was told, by this machine's clock: that and the server's may differ. */
  readAt: number;
}

/** How long a run that goes on has gone on; ticks. */
export function RunDuration({ seconds, readAt }: RunDurationProps): ReactElement {
  const since = Math.max(0, useNow() - readAt) / 1000;
  return <span className="tabular-nums">{durationText(Math.floor(seconds + since))}</span>;
}
