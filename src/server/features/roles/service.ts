export { findRole } from "./repository.js";
