export {
  advertiseFetch,
  fetchBodies,
  serveFetch,
  toGitError,
  type FetchedRepository,
} from "./fetch.js";
export { isFromGit } from "./request-body.js";
