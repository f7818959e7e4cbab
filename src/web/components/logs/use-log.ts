import { useEffect, useState } from "react";
import type { LogEntry } from "#shared/api/agents/runs.js";
import { client } from "../../api/client.js";
import { batched, followStream, type StreamState } from "../../api/follow-stream.js";
import { createLogLines, type LogLines } from "./log-lines.js";

export interface Log {
  log: LogLines;
  state: StreamState;
  /** Increases as the log grows, since the array of lines keeps its identity. */
  version: number;
}

/** Follows a run's log. Components must remount for another run. */
export function useLog(runId: string): Log {
  const [displayed, setDisplayed] = useState<Log>(() => ({
    log: createLogLines(),
    state: "connecting",
    version: 0,
  }));
  useEffect(() => {
    const log = createLogLines();
    let state: StreamState = "connecting";
    let version = 0;
    const [draw, drop] = batched(() => {
      version += 1;
      setDisplayed({ log, state, version });
    });
    const stop = followStream<LogEntry>({
      path: `/api/v1/runs/${runId}/logs`,
      event: "log",
      check: (signal) => client.runs.get({ params: { run_id: runId } }, { signal }),
      onItem: (entry) => {
        log.append([entry]);
        draw();
      },
      onState: (next) => {
        state = next;
        draw();
      },
    });
    return () => {
      stop();
      drop();
    };
  }, [runId]);
  return displayed;
}
