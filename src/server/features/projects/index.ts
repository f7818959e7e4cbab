export { findProjectByAddress, resumeProjects, unlockRepositories } from "./projects.js";
