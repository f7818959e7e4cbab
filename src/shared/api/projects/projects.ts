import { z } from "zod";
import {
  fileDriverNames,
  MAX_MERGE_DRIVERS,
  MAX_PATTERN_LENGTH,
  MAX_REGENERATE_SECONDS,
  mergeDriverNames,
  patternError,
  REGENERATE_SECONDS,
} from "../../merge-drivers.js";
import { endpoint } from "../../contract/endpoint.js";
import { command } from "../agents/runs.js";
import { description, id, name, page, slug, timestamp } from "../../contract/fields.js";
import { budgets, budgetsInput } from "../organizations/budgets.js";
import { protectedBranch, protectedBranchesInput } from "./protected-branches.js";

const token = z
  .string()
  .regex(/^[\x21-\x7e]{1,4096}$/, "must be 1–4 096 visible ASCII characters without spaces");

/** Credentials for a private upstream; never returned. */
export const credentialInput = z.discriminatedUnion(
  "kind",
  [
    z.strictObject({
      kind: z.literal("https_token"),
      /** Most hosts ignore it if the password is a token. */
      username: z
        .string()
        .regex(/^[^\u0000-\u001f\u007f]{1,255}$/, "must be 1–255 characters on one line")
        .optional(),
      token,
    }),
    z.strictObject({
      kind: z.literal("ssh_key"),
      /** Without it, the server generates an Ed25519 key and returns its public half. */
      private_key: z.string().min(1).max(16_384).optional(),
    }),
  ],
  'must have a kind: "https_token" or "ssh_key"',
);
export type CredentialInput = z.output<typeof credentialInput>;

/** A host key to trust: `SHA256:…`, or a line of ssh-keyscan. */
export const hostKeyInput = z.string().min(1).max(4096);

/** The visible part of an upstream credential. */
const upstreamCredential = z.strictObject({
  kind: z.enum(["https_token", "ssh_key"]),
  username: z.string().nullable(),
  /** The end of a token, to recognize it. */
  hint: z.string().nullable(),
  /** To be added to the upstream as a deploy key. */
  public_key: z.string().nullable(),
  fingerprint: z.string().nullable(),
  set_at: timestamp,
  set_by: id.nullable(),
});

/** The result of a fetch by branch; each list has at most 100 entries. */
const fetchReport = z.strictObject({
  created: z.array(z.string()),
  updated: z.array(z.string()),
  /** Commits on both sides: the local branch stays as it is. */
  diverged: z.array(
    z.strictObject({ branch: z.string(), ahead: z.number().int(), behind: z.number().int() }),
  ),
  /** Deleted upstream and kept here. */
  gone: z.array(z.string()),
});
export type FetchReport = z.output<typeof fetchReport>;

const upstream = z.strictObject({
  url: z.string(),
  status: z.enum(["idle", "fetching", "pushing", "failed"]),
  /** 0–100 while fetching or pushing. */
  progress: z.number().int(),
  error: z.string().nullable(),
  fetched_at: timestamp.nullable(),
  pushed_at: timestamp.nullable(),
  /**
   * Commits of the default branch that the other side lacks, as of the last fetch or push; null in
   * lists.
   */
  ahead: z.number().int().nullable(),
  behind: z.number().int().nullable(),
  /** The expected fingerprint of an SSH server; null until first use. */
  host_key: z.string().nullable(),
  credential: upstreamCredential.nullable(),
  last_fetch: fetchReport.nullable(),
});
export type Upstream = z.output<typeof upstream>;

/** A path, in which `*` matches within a folder and `**` any depth. */
const driverPattern = z
  .string()
  .min(1, "must not be empty")
  .max(MAX_PATTERN_LENGTH, `must have at most ${MAX_PATTERN_LENGTH} characters`)
  .refine((pattern) => patternError(pattern) === null, {
    error: ({ input }) => patternError(String(input)) ?? "must be a path",
  });

/** A merge driver for the files whose paths match the pattern; the first match applies. */
const mergeDriver = z.discriminatedUnion("driver", [
  z.strictObject({
    pattern: z.string(),
    /** `union` keeps the lines of both sides; `json` merges the data of JSON, YAML and TOML files. */
    driver: z.enum(fileDriverNames),
  }),
  z.strictObject({
    pattern: z.string(),
    /** Runs the command in the sandbox on the merged files, and takes the files that match from it. */
    driver: z.literal("regenerate"),
    command: z.array(z.string()),
    network: z.enum(["none", "full"]),
    timeout_seconds: z.number().int(),
  }),
]);
const mergeDriversInput = z
  .array(
    z.discriminatedUnion(
      "driver",
      [
        z.strictObject({ pattern: driverPattern, driver: z.enum(fileDriverNames) }),
        z.strictObject({
          pattern: driverPattern,
          driver: z.literal("regenerate"),
          command,
          network: z.enum(["none", "full"]).default("none"),
          timeout_seconds: z
            .number()
            .int()
            .min(1)
            .max(MAX_REGENERATE_SECONDS, `must be at most ${MAX_REGENERATE_SECONDS} seconds`)
            .default(REGENERATE_SECONDS),
        }),
      ],
      `must be one of ${mergeDriverNames.join(", ")}`,
    ),
  )
  .max(MAX_MERGE_DRIVERS, `must have at most ${MAX_MERGE_DRIVERS} entries`)
  .superRefine((drivers, context) => {
    const seen = new Set<string>();
    for (const [at, { pattern }] of drivers.entries()) {
      if (seen.has(pattern)) {
        const message = "is already in the list; the first match applies";
        context.addIssue({ code: "custom", path: [at, "pattern"], message });
      }
      seen.add(pattern);
    }
  });

export const project = z.strictObject({
  id,
  organization_id: id,
  name: z.string(),
  slug: z.string(),
  description: z.string().nullable(),
  default_branch: z.string(),
  import_url: z.string().nullable(),
  status: z.enum(["importing", "ready", "failed"]),
  /** 0–100 while importing, 100 when ready. */
  progress: z.number().int(),
  error: z.string().nullable(),
  clone_url: z.string(),
  /** The first entry whose pattern matches a branch applies; at first one of the default branch. */
  protected_branches: z.array(protectedBranch),
  /** The import source; null for a project that was created empty. */
  upstream: upstream.nullable(),
  merge_drivers: z.array(mergeDriver),
  ...budgets,
  counts: z.strictObject({ agents: z.number(), workspaces: z.number(), merges: z.number() }),
  created_at: timestamp,
  updated_at: timestamp,
});
export type Project = z.output<typeof project>;

/** A branch name that git accepts (git-check-ref-format(1)), restricted to plain ASCII. */
export const branch = z
  .string()
  .min(1)
  .max(200)
  .regex(/^[A-Za-z0-9_](?:[A-Za-z0-9._/-]*[A-Za-z0-9_-])?$/, "must be a branch name, such as main")
  .refine(
    (value) => !/\.\.|\/\/|\/\.|\.\/|\.lock(?:$|\/)|@\{/.test(value) && value !== "HEAD",
    "must be a branch name that git accepts",
  );

export const projectBranch = z.strictObject({
  name: z.string(),
  commit_sha: z.string(),
  subject: z.string(),
  /** The unverified commit date. */
  committed_at: timestamp,
  is_default: z.boolean(),
  /** The agent whose workspace branch it is; null for others. */
  agent_id: id.nullable(),
});
export type Branch = z.output<typeof projectBranch>;

const projectParams = z.strictObject({ project_id: id });

export const projects = {
  list: endpoint({
    method: "GET",
    path: "/api/v1/projects",
    access: "signed-in",
    summary: "List the projects of one organization, or all visible to the caller",
    query: page.extend({ organization_id: id.optional() }),
    response: z.array(project),
    errors: ["insufficient_permission"],
  }),
  create: endpoint({
    method: "POST",
    path: "/api/v1/projects",
    access: "project:write",
    tenant: "body.organization_id",
    summary: "Create a project: empty, or imported from a repository in the background",
    status: 201,
    location: "/api/v1/projects/{id}",
    body: z.strictObject({
      organization_id: id,
      name,
      slug: slug.optional(),
      description: description.nullish(),
      default_branch: branch.optional(),
      import_url: z.string().max(2000).nullish(),
      /** For a private repository; for `ssh://`, the server generates a key if none is given. */
      credential: credentialInput.optional(),
      /** The expected host key of an `ssh://` upstream; without it, trust on first use. */
      host_key: hostKeyInput.optional(),
    }),
    response: project,
    errors: ["slug_taken"],
  }),
  get: endpoint({
    method: "GET",
    path: "/api/v1/projects/{project_id}",
    access: "project:read",
    summary: "Get a project",
    params: projectParams,
    response: project,
  }),
  update: endpoint({
    method: "PATCH",
    path: "/api/v1/projects/{project_id}",
    access: "project:write",
    summary: "Update a project",
    params: projectParams,
    body: z.strictObject({
      name: name.optional(),
      description: description.nullable().optional(),
      merge_drivers: mergeDriversInput.optional(),
      protected_branches: protectedBranchesInput.optional(),
      ...budgetsInput,
    }),
    response: project,
  }),
  branches: endpoint({
    method: "GET",
    path: "/api/v1/projects/{project_id}/branches",
    access: "project:read",
    summary: "List the project's branches with their latest commits",
    params: projectParams,
    query: page,
    response: z.array(projectBranch),
  }),
  delete: endpoint({
    method: "DELETE",
    path: "/api/v1/projects/{project_id}",
    access: "project:delete",
    summary: "Delete a project with its agents, workspaces and repository; its usage stays",
    revokes: true,
    params: projectParams,
    errors: ["agent_running", "run_in_progress"],
  }),
};
