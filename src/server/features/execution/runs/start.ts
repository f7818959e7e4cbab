/** Starting runs. This needs features that import `index.ts`, so it has a door of its own. */
export { openRuns, type Runs } from "./create-runs.js";
export type { RunDeps } from "./run-deps.js";
export type { LogStorage } from "./stored-logs/log-storage.js";
export { requireReviewer } from "./opinions/require-reviewer.js";
export { rejectRunToken } from "./start-run.js";
export { countWaiting, dropPrompts } from "./sessions/inputs.queries.js";
export { lockSession } from "./sessions/sessions.queries.js";
export { cut } from "./sessions/session-updates.js";
export { interruptTurn, sendPrompt, startSession } from "./sessions/start-session.js";
