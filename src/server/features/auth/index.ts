export { holdCredential, lockPerson } from "./person-lock.js";
export {
  endSessions,
  issuePasswordToken,
  removeSecondFactors,
  removeSignInMethods,
} from "./remove-credentials.js";
export { createAuthService, forgetOldHits, isSuperAdmin, userExists } from "./auth-service.js";
