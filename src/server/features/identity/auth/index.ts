export {
  endSessions,
  issuePasswordToken,
  removeSecondFactors,
  removeSignInMethods,
} from "./remove-credentials.js";
export { createAuthService, isSuperAdmin, userExists, type AuthService } from "./auth-service.js";
export { signedInActor } from "./browser-sessions/session-cookie.js";
