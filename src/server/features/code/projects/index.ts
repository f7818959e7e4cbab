export { storeLock } from "./project.js";
export { packingLock } from "./pack-projects.js";
export { findProjectByAddress } from "./projects.js";
export type { ForgeAccess } from "./upstreams/forge-access.js";
export { fetchInBackground } from "./upstreams/linked-repository.js";
export { accessUpstream, type UpstreamAccessDeps } from "./upstreams/upstream-access.js";
