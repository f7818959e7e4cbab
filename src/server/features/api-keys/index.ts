export { revokeKeysOf, type LeakGuard } from "./manage-keys.js";
