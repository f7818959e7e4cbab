export { advertiseFetch, fetchBodies, serveFetch, toGitError } from "./fetch.js";
