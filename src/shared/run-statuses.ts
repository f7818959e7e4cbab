/** The states of a run: queued, running, or one of six final ones. */
export const runStatuses = [
  "queued",
  "running",
  "succeeded",
  "failed",
  "stopped",
  "timed_out",
  "lost",
  "quota_exceeded",
] as const;
