import { paths } from "./paths.js";

/** The link to a session of an agent. */
export const sessionLink = (agentId: string, _sessionId: string) => paths.agent(agentId);
