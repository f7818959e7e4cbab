export { requireLiveCredential, lockUser } from "./person-lock.js";
export {
  endSessions,
  issuePasswordToken,
  removeSecondFactors,
  removeSignInMethods,
} from "./remove-credentials.js";
export { createAuthService, isSuperAdmin, userExists, type AuthService } from "./auth-service.js";
