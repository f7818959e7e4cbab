export { requireLiveCredential, lockUser } from "./person-lock.js";
export {
  endSessions,
  issuePasswordToken,
  removeSecondFactors,
  removeSignInMethods,
} from "./remove-credentials.js";
export { createAuthService, deleteExpiredHits, isSuperAdmin, userExists } from "./auth-service.js";
