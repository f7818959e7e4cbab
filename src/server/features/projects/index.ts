export { storeLock } from "./imports/import-project.js";
export { packingLock } from "./pack-projects.js";
export { findProjectByAddress } from "./projects.js";
