import type { JobsNode } from "#server/jobs/queue.js";
import type { TestApp } from "./app.js";

/** The node of an application, for a job queue that a test starts beside it. */
export const jobsNodeOf = ({ db }: TestApp): JobsNode => ({
  id: db.node.id,
  homeOf: async () => null,
  isPaused: async () => false,
  lease: { untilHeld: async () => {}, onLapse: () => () => {} },
  work: { begin: () => () => {} },
});
