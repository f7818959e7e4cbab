export { type AgentRuns, readAgentRuns } from "./agent-runs.queries.js";
export { lastLineOfLog, lastLineOfTranscript } from "./logs/last-line.js";
export { createRunKeyring, type RunKeyring, type RunOfToken } from "./run-tokens.js";
export { createLogAccess, type LogAccess } from "./logs/log-access.js";
export { createLogStreams, type LogStreams } from "./logs/log-stream.js";
export { forgetLostLogs, verifyLogs, type LogsReport } from "./logs/verify-logs.js";
