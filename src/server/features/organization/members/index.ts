export { isStillValid } from "./open-invitations.js";
export {
  addAgentMember,
  addOwner,
  transferOwnership,
  addInvitedMember,
  addServiceMember,
  changeServiceMember,
  removeServiceMember,
  leaveOrganizations,
  requireGrantableRole,
  requirePersonWithin,
  removeAgentMember,
  removeMembersOfProject,
} from "./members.js";
