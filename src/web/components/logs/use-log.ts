import { useEffect, useState } from "react";
import { followLog, type LogState } from "./follow-log.js";
import { createLogLines, type LogLines } from "./log-lines.js";

export interface Log {
  log: LogLines;
  state: LogState;
  /** Increases as the log grows, since the array of lines keeps its identity. */
  version: number;
}

/** Interval of updates, so that entries are rendered in batches; milliseconds. */
const drawMs = 80;

/** Follows a run's log. Components must remount for another run. */
export function useLog(runId: string): Log {
  const [displayed, setDisplayed] = useState<Log>(() => ({
    log: createLogLines(),
    state: "connecting",
    version: 0,
  }));
  useEffect(() => {
    const log = createLogLines();
    let state: LogState = "connecting";
    let version = 0;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const draw = (): void => {
      timer ??= setTimeout(() => {
        timer = undefined;
        version += 1;
        setDisplayed({ log, state, version });
      }, drawMs);
    };
    const stop = followLog(runId, {
      onEntries: (entries) => {
        log.append(entries);
        draw();
      },
      onState: (next) => {
        state = next;
        draw();
      },
    });
    return () => {
      stop();
      clearTimeout(timer);
    };
  }, [runId]);
  return displayed;
}
