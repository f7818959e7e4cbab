import { useEffect, useState } from "react";
import { followLog, type LogState } from "./follow-log.js";
import { createLogLines, type LogLines } from "./log-lines.js";

export interface Log {
  log: LogLines;
  state: LogState;
  /** Grows with the log, whose lines are the same array. */
  version: number;
}

/** Many entries are drawn at once. */
const drawMs = 80;

/** A run's log as it comes. For another run the part that uses it is mounted anew. */
export function useLog(runId: string): Log {
  const [shown, setShown] = useState<Log>(() => ({
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
        setShown({ log, state, version });
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
  return shown;
}
