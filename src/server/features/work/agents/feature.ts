import { agents } from "#shared/api/work/agents.js";
import { routesOf } from "../../../http/register-routes.js";
import type { Feature } from "../../feature.js";
import type { Services } from "../../services.js";
import { agentHandlers } from "./routes.js";
import { recoverTerminations } from "./terminate-agent.js";

export function agentsFeature({ workspaces, log }: Services): Feature {
  return {
    name: "agents",
    routes: [routesOf(agents, agentHandlers(workspaces))],
    start: () => recoverTerminations(workspaces, log),
  };
}
