export { readRunSecrets, type RunSecrets } from "./read-run-secrets.js";
export { decryptValue } from "./secret-value.js";
export { deleteSecretsOf } from "./secrets.queries.js";
