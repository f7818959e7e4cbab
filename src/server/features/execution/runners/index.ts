export { createRunner, deleteRunner, readOrganizationId, updateRunner } from "./manage-runners.js";
export { kubernetesState, requireCluster } from "./kubernetes-state.js";
export { listRunners } from "./runners.queries.js";
export { hashRunnerToken } from "./manage-runners.js";
