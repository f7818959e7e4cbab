import { z } from "zod";
import { endpoint } from "../../contract/endpoint.js";
import { id, nullable, page } from "../../contract/fields.js";
import { projectMove } from "./project-moves.js";

export const nodeStatuses = ["active", "draining", "unavailable"] as const;

/** A server with a data folder of its own. */
export const clusterNode = z.strictObject({
  id: id.describe("Id of the server's data folder"),
  name: z.string().describe("Name of the server, from `OMOI_NODE_NAME`"),
  url: nullable.string.describe(
    "Address at which other servers reach this one; null for a server that serves its database alone",
  ),
  status: z
    .enum(nodeStatuses)
    .describe(
      "`active`: it gets new projects; `draining`: it keeps its projects and gets no new ones; `unavailable`: its lease has ended, and its projects answer 503",
    ),
  draining: z.boolean().describe("Whether it gets no new projects"),
  host: nullable.string.describe("Host name of its machine; null before its first start"),
  version: nullable.string.describe("Version of Omoi; null before its first start"),
  projects: z.int().describe("Number of projects that are stored there"),
  running: z.int().describe("Number of its runs in progress"),
  disk_total_bytes: nullable.number.describe(
    "Size of the file system of its data folder in bytes; null before its first lease",
  ),
  disk_free_bytes: nullable.number.describe(
    "Free bytes of that file system; null before its first lease",
  ),
  load: nullable.number.describe(
    "Load average of its machine over the last minute; null before its first lease",
  ),
  processors: nullable.integer.describe(
    "Number of processors of its machine; null before its first lease",
  ),
  epoch: z
    .int()
    .describe("Counts takeovers of its data; a server of an earlier epoch cannot write any more"),
  lease_until: nullable.timestamp.describe(
    "Time until which it may write, by the clock of the database",
  ),
  started_at: nullable.timestamp.describe("Time of its last start"),
});
export type ClusterNode = z.output<typeof clusterNode>;

/** A project that a server stores, or that moves from or to it. */
export const nodeProject = z.strictObject({
  id: id.describe("Id of the project"),
  name: z.string().describe("Name of the project"),
  slug: z.string().describe("Slug of the project"),
  organization: z
    .strictObject({
      id: id.describe("Id of the organization"),
      name: z.string().describe("Name of the organization"),
      slug: z.string().describe("Slug of the organization"),
    })
    .describe("Organization of the project"),
  agents: z.int().describe("Number of its agents that are not terminated"),
  running: z.int().describe("Number of its runs in progress, which prevent the start of a move"),
  move: projectMove
    .nullable()
    .describe("The latest move of the project; null if it was never moved"),
});
export type NodeProject = z.output<typeof nodeProject>;

const nodeParams = z.strictObject({ node_id: id.describe("Id of the server's data folder") });
const access = "super-admin";

/** The servers that share the database, for super admins; for all others they answer 404. */
export const nodes = {
  list: endpoint({
    method: "GET",
    path: "/api/v1/admin/nodes",
    access,
    summary: "List the servers that share the database, by name",
    query: page,
    response: z.array(clusterNode),
  }),
  get: endpoint({
    method: "GET",
    path: "/api/v1/admin/nodes/{node_id}",
    access,
    summary: "Get one of the servers that share the database",
    params: nodeParams,
    response: clusterNode,
  }),
  projects: endpoint({
    method: "GET",
    path: "/api/v1/admin/nodes/{node_id}/projects",
    access,
    summary: "List the projects that a server stores, and those that move from or to it",
    params: nodeParams,
    query: page,
    response: z.array(nodeProject),
  }),
  drain: endpoint({
    method: "POST",
    path: "/api/v1/admin/nodes/{node_id}/drain",
    access,
    summary: "Give a server no new projects; it keeps those that it has",
    params: nodeParams,
    response: clusterNode,
    errors: ["last_node"],
  }),
  resume: endpoint({
    method: "POST",
    path: "/api/v1/admin/nodes/{node_id}/resume",
    access,
    summary: "Give a drained server new projects again",
    params: nodeParams,
    response: clusterNode,
  }),
};
