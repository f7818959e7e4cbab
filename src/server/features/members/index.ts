export { isStillOffered } from "./open-invitations.js";
export {
  addAgentMember,
  addOwner,
  handOver,
  joinAsInvited,
  leaveOrganizations,
  refuseRoleBeyond,
  removeAgentMember,
  removeMembersOfProject,
} from "./members.js";
