export { countPredictedConflicts, listConflictingFiles } from "./organization-conflicts.queries.js";
export { radarLock } from "./scan-project.js";
