export { readVariables } from "./read-variables.js";
export { deleteSecretsOf } from "./secrets.queries.js";
