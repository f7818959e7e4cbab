export { createKey, resolveExpiry } from "./create-key.js";
export type { KeyDeps } from "./key-access.js";
export { createKeyring } from "./keyring/keyring.js";
export { createLeakGuard, type LeakGuard } from "./leaks/leak-guard.js";
export { listExpiringKeys } from "./expiring-keys.js";
export { revokeKeysOf } from "./manage-keys.js";
export {
  createAccountKey,
  listAccountKeys,
  readAccountKey,
  revokeAccountKey,
  rotateAccountKey,
} from "./accounts/account-keys.js";
