import { z } from "zod";
import { endpoint } from "../../contract/endpoint.js";
import { id, page, timestamp } from "../../contract/fields.js";
import { MAX_PATTERN_LENGTH, patternError } from "../../merge-drivers.js";
import { allowedHosts, variables } from "../agents/runs.js";

/** Maximum size of a setup script, in bytes of UTF-8. */
const MAX_SCRIPT_BYTES = 64 * 1024;

const network = z.enum(["none", "restricted"], "must be none or restricted");

/** The installed files, the variables and the allowed hosts of the runs of a project. */
export const environment = z.strictObject({
  /**
   * A script of `sh` that runs once in the sandbox on a checkout of the base branch. What it leaves there
   * that git ignores, such as installed packages, is a read-only layer below new workspaces. Empty for
   * none.
   */
  setup_script: z.string(),
  /** Paths, with `*` and `**`: the script runs again for another content of these files. */
  cache_key_files: z.array(z.string()),
  /** Environment variables of the script and of runs; secrets win over them. Visible to all members. */
  variables: z.record(z.string(), z.string()),
  /**
   * The hosts that the script and the project's runs with the network `restricted` may reach. With null,
   * the script reaches none, and each run names its own.
   */
  allowed_hosts: z.array(z.string()).nullable(),
  /** The network of the script. */
  network,
  /** When it was last changed; null for a project that has none. */
  updated_at: timestamp.nullable(),
  /** The build of the default branch whose layer new workspaces get if theirs fails; null before the first. */
  last_good_build_id: id.nullable(),
  /** Why the newest build of the default branch has no layer, and what new workspaces get instead. */
  problem: z.string().nullable(),
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
    .default(""),
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
    .default([]),
  variables: variables.default({}),
  allowed_hosts: allowedHosts.nullable().default(null),
  network: network.default("none"),
});
export type NewEnvironment = z.output<typeof newEnvironment>;

/** One execution of the setup script. */
export const environmentBuild = z.strictObject({
  id,
  /** Identifies the branch, the script, the machine and the content of the key files; hexadecimal. */
  key: z.string(),
  branch: z.string(),
  commit_sha: z.string(),
  status: z.enum(["queued", "running", "succeeded", "failed", "cancelled"]),
  /** The run of its last start, with its log; null before. */
  run_id: id.nullable(),
  /** Why it failed, or what it is waiting for, as a sentence. */
  detail: z.string().nullable(),
  /** The size of its layer on the disk; null if it has none, or none any more. */
  layer_bytes: z.number().int().nullable(),
  /** Paths that are not in the layer because git neither tracks nor ignores them. */
  left_out: z.array(z.string()),
  /** Their number, at most 100 of which are in `left_out`. */
  left_out_count: z.number().int(),
  created_at: timestamp,
  started_at: timestamp.nullable(),
  ended_at: timestamp.nullable(),
});
export type EnvironmentBuild = z.output<typeof environmentBuild>;

const params = z.strictObject({ project_id: id });

export const environments = {
  get: endpoint({
    method: "GET",
    path: "/api/v1/projects/{project_id}/environment",
    access: "project:read",
    summary: "Get the project's environment",
    params,
    response: environment,
  }),
  set: endpoint({
    method: "PUT",
    path: "/api/v1/projects/{project_id}/environment",
    access: "project:write",
    summary: "Replace the project's environment; a new script is built for the base branch at once",
    params,
    body: newEnvironment,
    response: environment,
  }),
  builds: endpoint({
    method: "GET",
    path: "/api/v1/projects/{project_id}/environment/builds",
    access: "project:read",
    summary: "List the builds of the environment, newest first",
    params,
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
    params,
    response: environmentBuild,
    errors: ["no_setup_script", "project_not_ready"],
  }),
};
