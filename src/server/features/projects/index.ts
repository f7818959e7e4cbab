export { findProjectByAddress } from "./projects.js";
