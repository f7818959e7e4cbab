/** User management for operators and super admins. */
export { deleteUser } from "./delete-user.js";
export { exportUser } from "./export-user.js";
export {
  demoteUser,
  disableUser,
  enableUser,
  promoteUser,
  readUser,
  removeSecondFactor,
  resetUserPassword,
  signOutUser,
  type AdminContext,
  type UserReference,
} from "./manage-user.js";
export { listUsers } from "./people.queries.js";
