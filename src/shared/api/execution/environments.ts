import { z } from "zod";
import { endpoint } from "../../contract/endpoint.js";
import { id, nullable, page, projectParams, timestamp } from "../../contract/fields.js";
import { MAX_PATTERN_LENGTH, patternError } from "../../code/merge-drivers.js";
import { allowedHosts, variables } from "./runs.js";

/** Maximum size of a setup script, in bytes of UTF-8. */
const MAX_SCRIPT_BYTES = 64 * 1024;

const network = z.enum(["none", "restricted"], "must be none or restricted");

/** The installed files, the variables and the allowed hosts of the runs of a project. */
export const environment = z.strictObject({
  setup_script: z
    .string()
    .describe(
      "A script of `sh` that runs once in the sandbox on a checkout of the base branch. What it leaves there that git ignores, such as installed packages, is a read-only layer below new workspaces. Empty for none.",
    ),
  cache_key_files: z
    .array(z.string())
    .describe("Paths, with `*` and `**`: the script runs again for another content of these files"),
  variables: z
    .record(z.string(), z.string())
    .describe(
      "Environment variables of the script and of runs; secrets win over them. Visible to all members.",
    ),
  allowed_hosts: z
    .array(z.string())
    .nullable()
    .describe(
      "The hosts that the script and the project's runs with the network `restricted` may reach. With null, the script reaches none, and each run names its own.",
    ),
  network: network.describe(
    "The network of the script: `none`, or only the hosts of `allowed_hosts` (`restricted`)",
  ),
  updated_at: nullable.timestamp.describe(
    "When it was last changed; null for a project that has none",
  ),
  last_good_build_id: nullable.id.describe(
    "The build of the default branch whose layer new workspaces get if theirs fails; null before the first",
  ),
  problem: nullable.string.describe(
    "Why the newest build of the default branch has no layer, and what new workspaces get instead, as a sentence; null if it has one",
  ),
});
export type Environment = z.output<typeof environment>;

const newEnvironment = z.strictObject({
  setup_script: z
    .string("must be a text")
    .refine(
      (text) => new TextEncoder().encode(text).length <= MAX_SCRIPT_BYTES,
      "must be at most 64 KiB of UTF-8",
    )
    .refine((text) => !text.includes("\u0000"), "must not contain NUL")
    .default("")
    .describe(
      "A script of `sh`, at most 64 KiB, that runs once in the sandbox on a checkout of the base branch; empty for none",
    ),
  cache_key_files: z
    .array(
      z
        .string()
        .min(1)
        .max(MAX_PATTERN_LENGTH)
        .refine((text) => patternError(text) === null, {
          error: ({ input }) => patternError(String(input)) ?? "",
        }),
      "must be a list of paths",
    )
    .max(50, "must be at most 50 paths")
    .default([])
    .describe(
      "At most 50 paths, with `*` and `**`: the script runs again for another content of these files",
    ),
  variables: variables
    .default({})
    .describe(
      "Environment variables of the script and of runs: at most 200, 32 KiB each and 256 KiB altogether. Visible to all members.",
    ),
  allowed_hosts: allowedHosts
    .nullable()
    .default(null)
    .describe(
      "Hosts that the script and the project's runs with the network `restricted` may reach; null for none named",
    ),
  network: network
    .default("none")
    .describe(
      "The network of the script: `none`, or only the hosts of `allowed_hosts` (`restricted`)",
    ),
});
export type NewEnvironment = z.output<typeof newEnvironment>;

/** One execution of the setup script. */
export const environmentBuild = z.strictObject({
  id: id.describe("Id of the build"),
  key: z
    .string()
    .describe(
      "Identifies the branch, the script, the machine and the content of the key files; hexadecimal",
    ),
  branch: z.string().describe("Branch that it was built for"),
  commit_sha: z.string().describe("Commit that it was built from"),
  status: z
    .enum(["queued", "running", "succeeded", "failed", "cancelled"])
    .describe("State of the build; the last three have ended"),
  run_id: nullable.id.describe("The run of its last start, with its log; null before"),
  detail: nullable.string.describe(
    "Why it failed, or what it is waiting for, as a sentence; null if there is nothing to say",
  ),
  layer_bytes: nullable.integer.describe(
    "Bytes of its layer on the disk; null if it has none, or none any more",
  ),
  left_out: z
    .array(z.string())
    .describe("Paths that are not in the layer because git neither tracks nor ignores them"),
  left_out_count: z
    .int()
    .describe("Number of left out paths, at most 100 of which are in `left_out`"),
  created_at: timestamp.describe("Time at which it was requested"),
  started_at: nullable.timestamp.describe("Time at which it started; null before"),
  ended_at: nullable.timestamp.describe("Time at which it ended; null before"),
});
export type EnvironmentBuild = z.output<typeof environmentBuild>;

export const environments = {
  get: endpoint({
    method: "GET",
    path: "/api/v1/projects/{project_id}/environment",
    access: "project:read",
    summary: "Get the project's environment",
    params: projectParams,
    response: environment,
  }),
  set: endpoint({
    method: "PUT",
    path: "/api/v1/projects/{project_id}/environment",
    access: "project:write",
    summary: "Replace the project's environment; a new script is built for the base branch at once",
    params: projectParams,
    body: newEnvironment,
    response: environment,
  }),
  builds: endpoint({
    method: "GET",
    path: "/api/v1/projects/{project_id}/environment/builds",
    access: "project:read",
    summary: "List the builds of the environment, newest first",
    params: projectParams,
    query: page,
    response: z.array(environmentBuild),
  }),
  build: endpoint({
    method: "POST",
    path: "/api/v1/projects/{project_id}/environment/builds",
    access: "project:write",
    summary: "Build the environment for the base branch now; the answer may be a build under way",
    status: 201,
    location: "/api/v1/projects/{project_id}/environment/builds",
    params: projectParams,
    response: environmentBuild,
    errors: ["no_setup_script", "project_not_ready"],
  }),
};
