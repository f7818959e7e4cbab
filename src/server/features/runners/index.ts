export { hashRunnerToken } from "./runner-token.js";
