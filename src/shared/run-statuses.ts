/** What a run can be: waiting, going on, or ended in one of six ways. */
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
