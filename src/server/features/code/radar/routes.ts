import type { radar } from "#shared/api/code/radar.js";
import type { Handlers } from "../../../http/register-routes.js";
import type { ScanDeps } from "./scan-project.js";
import { readProjectRadar, readWorkspaceRadar } from "./radar.js";

export function radarHandlers(deps: ScanDeps): Handlers<typeof radar> {
  return {
    workspace: (context, { params }) => readWorkspaceRadar(deps, context, params.agent_id),
    project: (context, { params }) => readProjectRadar(deps, context, params.project_id),
  };
}
