export { findRole } from "./roles.queries.js";
