export { environmentFor, environmentOfBuild, explainMissingLayer } from "./environment.js";
export {
  cancelBuild,
  cancelBuildsOf,
  deleteOldBuilds,
  endBuild,
  explainWait,
  findEnvironment,
  forgetAllLayers,
  hasQueuedBuilds,
  listEndedBuilds,
  recordLayer,
  requeueBuild,
  takeBuild,
  type EndedBuild,
  type TakenBuild,
} from "./environments.queries.js";
export { attachLayer } from "./layers.js";
