export {
  countPredictedConflicts,
  listPredictedConflicts,
} from "./organization-conflicts.queries.js";
