export { type AgentRuns, readAgentRuns } from "./agent-runs.queries.js";
export { lastLineOfLog, lastLineOfTranscript } from "./logs/last-line.js";
export { deleteLogObjectsOf, listStoredLastLines } from "./stored-logs/log-objects.queries.js";
export { endManagedRuns, endRuns, waitForEnd } from "./stop-run.js";
export { createRunKeyring, type RunKeyring, type RunOfToken } from "./run-tokens.js";
export { createLogAccess, type LogAccess } from "./logs/log-access.js";
export { createLogStreams, type LogStreams } from "./logs/log-stream.js";
