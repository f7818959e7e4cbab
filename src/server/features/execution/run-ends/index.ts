export { endAtRest, endManagedRuns, endRuns, hasEnded, waitForEnd } from "./end-runs.js";
export { endLeasedRuns, endQueued, holdPrompts, requestStop } from "./run-ends.queries.js";
