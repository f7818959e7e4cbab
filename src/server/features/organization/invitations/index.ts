export { isInvited } from "./invitations.js";
