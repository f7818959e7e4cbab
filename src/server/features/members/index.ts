export { isStillValid } from "./open-invitations.js";
export {
  addAgentMember,
  addOwner,
  transferOwnership,
  addInvitedMember,
  leaveOrganizations,
  requireGrantableRole,
  removeAgentMember,
  removeMembersOfProject,
} from "./members.js";
