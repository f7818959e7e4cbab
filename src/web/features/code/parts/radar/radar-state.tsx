import type { ReactElement } from "react";
import type { Radar } from "#shared/api/code/radar.js";
import { Time } from "../../../../ui/text/time.js";

/** The time of the last scan, and whether a scan is in progress. */
export function RadarState({ radar }: { radar: Radar }): ReactElement {
  return (
    <span className="text-[13px] text-muted">
      {radar.is_current || radar.looked_at === null ? (
        radar.looked_at === null ? (
          "Looking…"
        ) : (
          <>
            As of the last commits · <Time value={radar.looked_at} />
          </>
        )
      ) : (
        "Looking at the last commits…"
      )}
    </span>
  );
}
