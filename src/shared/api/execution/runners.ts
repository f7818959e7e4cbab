import { z } from "zod";
import { endpoint } from "../../contract/endpoint.js";
import { id, name, nullable, orgParams, page, timestamp } from "../../contract/fields.js";

const label = z.string().describe("Label of the runner, from `omoi runner --labels`");

export const runnerStatuses = ["online", "paused", "offline"] as const;

/** A machine, or the cluster, that takes runs of workspaces without a folder on a server. */
export const runner = z.strictObject({
  id: id.describe("Id of the runner"),
  name: z.string().describe("Name of the runner, unique in the installation"),
  kind: z
    .enum(["machine", "cluster"])
    .describe(
      "`machine`: a registered runner, for `remote` workspaces; `cluster`: the Kubernetes cluster of the installation, for `kubernetes` workspaces",
    ),
  organization_id: nullable.id.describe(
    "The organization whose runs it takes; null for those of all organizations",
  ),
  status: z
    .enum(runnerStatuses)
    .describe(
      "`online`: it takes runs; `paused`: it ends those that it has and takes no new ones; `offline`: it has not been heard of for a minute",
    ),
  paused: z.boolean().describe("Whether it takes no new runs"),
  labels: z
    .array(label)
    .describe(
      "Its labels; a run is taken by a runner that has all of its labels; the cluster has none",
    ),
  slots: z.int().describe("Number of runs that it takes at once; 0 before its first connection"),
  running: z
    .int()
    .describe("Number of its runs in progress; for members, of those of their organization"),
  host: nullable.string.describe("Host name of its machine; null before its first connection"),
  version: nullable.string.describe(
    "Version of Omoi on its machine; null before its first connection",
  ),
  last_seen_at: nullable.timestamp.describe("Time of its last request; null before the first"),
  created_at: timestamp.describe("Time at which it was registered"),
});
export type Runner = z.output<typeof runner>;

export const newRunner = z.strictObject({
  name: name
    .max(100)
    .describe("Name of the runner, 1 to 100 characters, unique in the installation"),
  organization_id: id
    .nullish()
    .describe("The organization whose runs it takes; by default and with null those of all"),
});
export type NewRunner = z.output<typeof newRunner>;

export const runnerChanges = z.strictObject({
  name: newRunner.shape.name
    .optional()
    .describe("New name of a machine, 1 to 100 characters; the cluster keeps its name"),
  paused: z.boolean().optional().describe("Whether it takes no new runs"),
});
export type RunnerChanges = z.output<typeof runnerChanges>;

const runnerParams = z.strictObject({ runner_id: id.describe("Id of the runner") });
const access = "super-admin";

/** Machines that execute runs elsewhere, for super admins; for all others they answer 404. */
export const runners = {
  list: endpoint({
    method: "GET",
    path: "/api/v1/admin/runners",
    access,
    summary: "List the runners, by name",
    query: page,
    response: z.array(runner),
  }),
  create: endpoint({
    method: "POST",
    path: "/api/v1/admin/runners",
    access,
    summary: "Register a runner; its token is shown once",
    body: newRunner,
    status: 201,
    response: runner.extend({
      token: nullable.string.describe(
        "The token for `omoi runner`, in this response only; null in a repeated one",
      ),
    }),
    secrets: ["token"],
    location: "/api/v1/admin/runners/{id}",
    errors: ["runner_name_taken"],
  }),
  get: endpoint({
    method: "GET",
    path: "/api/v1/admin/runners/{runner_id}",
    access,
    summary: "Get a runner",
    params: runnerParams,
    response: runner,
  }),
  update: endpoint({
    method: "PATCH",
    path: "/api/v1/admin/runners/{runner_id}",
    access,
    summary: "Rename a runner, pause it, or let it take runs again",
    params: runnerParams,
    body: runnerChanges,
    response: runner,
    errors: ["runner_name_taken"],
  }),
  delete: endpoint({
    method: "DELETE",
    path: "/api/v1/admin/runners/{runner_id}",
    access,
    summary:
      "Remove a runner: its token ends at once, and its runs end as `lost`; the cluster, only while it is `offline`",
    params: runnerParams,
    revokes: true,
    errors: ["cluster_online"],
  }),
  available: endpoint({
    method: "GET",
    path: "/api/v1/organizations/{org_id}/runners",
    access: "org:read",
    summary: "List the runners that take runs of an organization, by name",
    params: orgParams,
    query: page,
    response: z.array(runner),
  }),
};
