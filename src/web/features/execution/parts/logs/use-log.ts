import type { LogEntry } from "#shared/api/execution/runs.js";
import { client } from "../../../../api/client.js";
import { type Followed, useFollowed } from "../../../../api/use-followed.js";
import { createLogLines, type LogLines } from "./log-lines.js";

/** Follows a run's log. Components must remount for another run. */
export function useLog(runId: string): Followed<LogLines> {
  return useFollowed<LogLines, LogEntry>({
    path: `/api/v1/runs/${runId}/logs`,
    event: "log",
    check: (signal) => client.runs.get({ params: { run_id: runId } }, { signal }),
    create: createLogLines,
    append: (log, entry) => log.append([entry]),
  });
}
