export {
  countPredictedConflicts,
  listPredictedConflicts,
  type PredictedConflict,
} from "./organization-conflicts.queries.js";
