import { queryOptions } from "@tanstack/react-query";
import type { Radar } from "#shared/api/code/radar.js";
import { client } from "../../client.js";
import { projectsKey } from "./projects.js";
import { workspacesKey } from "./workspaces.js";

/** Polls while the server is scanning, which takes a few seconds; results also arrive as an event. */
function pollInterval(radar: Radar | undefined): number | false {
  return radar?.is_current === false ? 1500 : false;
}

export const workspaceRadarQuery = (agentId: string) =>
  queryOptions({
    queryKey: [...workspacesKey, agentId, "radar"],
    queryFn: async ({ signal }) =>
      (await client.radar.workspace({ params: { agent_id: agentId } }, { signal })).data,
    refetchInterval: ({ state }) => pollInterval(state.data),
  });

export const projectRadarQuery = (projectId: string) =>
  queryOptions({
    queryKey: [...projectsKey, "radar", projectId],
    queryFn: async ({ signal }) =>
      (await client.radar.project({ params: { project_id: projectId } }, { signal })).data,
    refetchInterval: ({ state }) => pollInterval(state.data),
  });
