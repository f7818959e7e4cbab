export { insertAgent } from "./agents.js";
export { terminateOfTask } from "./terminate-agent.js";
