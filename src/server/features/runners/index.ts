export { createRunner, deleteRunner, readOrganizationId, updateRunner } from "./manage-runners.js";
export { listRunners } from "./runners.queries.js";
export { hashRunnerToken } from "./runner-token.js";
