export { type AgentRuns, readAgentRuns } from "./agent-runs.queries.js";
export { endManagedRuns, endRuns, waitForEnd } from "./stop-run.js";
export { createRunKeyring, type RunKeyring, type RunOfToken } from "./run-tokens.js";
