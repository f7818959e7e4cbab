import { z } from "zod";
import {
  fileDriverNames,
  MAX_MERGE_DRIVERS,
  MAX_PATTERN_LENGTH,
  MAX_REGENERATE_SECONDS,
  mergeDriverNames,
  patternError,
  REGENERATE_SECONDS,
} from "../../code/merge-drivers.js";
import { endpoint } from "../../contract/endpoint.js";
import { presetNames } from "../../execution/run-choices.js";
import { command, model } from "../execution/runs.js";
import {
  description,
  id,
  name,
  nullable,
  page,
  projectParams,
  slug,
  timestamp,
} from "../../contract/fields.js";
import { branchNameProblem } from "../../code/protection.js";
import { budgets, budgetsInput } from "../organization/budgets.js";
import { projectContainers } from "../execution/containers.js";
import { protectedBranch, protectedBranchesInput } from "./protected-branches.js";

const token = z
  .string()
  .regex(/^[\x21-\x7e]{1,4096}$/, "must be 1–4 096 visible ASCII characters without spaces");

/** Credentials for a private upstream; never returned. */
export const credentialInput = z.discriminatedUnion(
  "kind",
  [
    z.strictObject({
      kind: z.literal("https_token").describe("A token or password for `https://`"),
      username: z
        .string()
        .regex(/^[^\u0000-\u001f\u007f]{1,255}$/, "must be 1–255 characters on one line")
        .optional()
        .describe(
          "User name, 1 to 255 characters. Most hosts ignore it if the password is a token.",
        ),
      token: token.describe("The token or password"),
    }),
    z.strictObject({
      kind: z.literal("ssh_key").describe("A key for `ssh://`"),
      private_key: z
        .string()
        .min(1)
        .max(16_384)
        .optional()
        .describe(
          "Private key in OpenSSH or PEM format. Without it, the server generates an Ed25519 key and returns its public half.",
        ),
    }),
  ],
  'must have a kind: "https_token" or "ssh_key"',
);
export type CredentialInput = z.output<typeof credentialInput>;

/** A host key to trust: `SHA256:…`, or a line of ssh-keyscan. */
export const hostKeyInput = z.string().min(1).max(4096);

/** The errors of every call that asks a forge. */
export const forgeErrors = ["forge_unreachable", "forge_unauthorized", "forge_refused"] as const;

/** The full name of a repository on a forge. GitLab's groups can be nested. */
export const repositoryName = z
  .string()
  .max(500)
  .regex(/^[\w.-]+(?:\/[\w.-]+)+$/, "must be a full name, such as acme/shop");

/** The visible part of an upstream credential. */
const upstreamCredential = z.strictObject({
  kind: z.enum(["https_token", "ssh_key"]).describe("How the server signs in at the upstream"),
  username: nullable.string.describe("User name of a token; null for a key"),
  hint: nullable.string.describe("End of a token, to recognize it; null for a key"),
  public_key: nullable.string.describe(
    "Public key, to be added to the upstream as a deploy key; null for a token",
  ),
  fingerprint: nullable.string.describe("SHA-256 fingerprint of the key; null for a token"),
  set_at: timestamp.describe("Time at which it was set"),
  set_by: nullable.id.describe("Id of the user who set it; null if the account is deleted"),
});

/** The result of a fetch by branch; each list has at most 100 entries. */
const fetchReport = z.strictObject({
  created: z.array(z.string()).describe("Branches that were new"),
  updated: z.array(z.string()).describe("Branches that were moved forward"),
  protected: z
    .array(z.string())
    .describe(
      "Branches with checks or approvals, left as they are: only a fetch by a member with `project:protection:write` moves them",
    ),
  diverged: z
    .array(
      z.strictObject({
        branch: z.string().describe("Name of the branch"),
        ahead: z.int().describe("Commits of the local branch that the upstream lacks"),
        behind: z.int().describe("Commits of the upstream that the local branch lacks"),
      }),
    )
    .describe("Commits on both sides: the local branch stays as it is"),
  gone: z.array(z.string()).describe("Deleted upstream and kept here"),
  refused: z
    .array(z.string())
    .optional()
    .describe(
      "Left out: the name begins with `refs/` or `heads/`, or differs from a protected branch by case alone",
    ),
});
export type FetchReport = z.output<typeof fetchReport>;

const upstream = z.strictObject({
  url: z.string().describe("Address of the upstream, without credentials"),
  status: z
    .enum(["idle", "fetching", "pushing", "failed"])
    .describe("What the server does with it now; `failed`: the last transfer failed, see `error`"),
  progress: z.int().describe("Percentage of a transfer under way, 0 to 100"),
  error: nullable.string.describe(
    "Why the last transfer failed, as a sentence; null if it did not",
  ),
  fetched_at: nullable.timestamp.describe("Time of the last fetch; null before"),
  pushed_at: nullable.timestamp.describe("Time of the last push; null before"),
  ahead: nullable.integer.describe(
    "Commits of the default branch that the other side lacks, as of the last fetch or push; null in lists",
  ),
  behind: nullable.integer.describe(
    "Commits of the other side that the default branch lacks, as of the last fetch or push; null in lists",
  ),
  host_key: nullable.string.describe(
    "Expected fingerprint of an SSH server; null until first use and for `https://`",
  ),
  credential: upstreamCredential
    .nullable()
    .describe("How the server signs in; null without a credential"),
  last_fetch: fetchReport.nullable().describe("Result of the last fetch; null before"),
  repository: z
    .strictObject({
      forge_id: id.describe("Id of the connection, which signs in for it"),
      name: z.string().describe("Full name of the repository, as in `acme/shop`"),
      url: z.string().describe("Its page on the forge"),
      branch_template: nullable.string.describe(
        "Template of the branches of pull requests; null for the usual one",
      ),
      body_template: nullable.string.describe(
        "Template of the bodies of pull requests; null for the usual one",
      ),
    })
    .nullable()
    .describe("The repository on a forge that it is; null without a link"),
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
    pattern: z.string().describe("Paths that the driver applies to, with `*` and `**`"),
    driver: z
      .enum(fileDriverNames)
      .describe(
        "`union` keeps the lines of both sides; `json` merges the data of JSON, YAML and TOML files.",
      ),
  }),
  z.strictObject({
    pattern: z.string().describe("Paths that the driver applies to, with `*` and `**`"),
    driver: z
      .literal("regenerate")
      .describe(
        "Runs the command in the sandbox on the merged files, and takes the files that match from it",
      ),
    command: z.array(z.string()).describe("The program and its arguments"),
    network: z
      .enum(["none", "full"])
      .describe("`none`, or everything outside of the server (`full`)"),
    timeout_seconds: z.int().describe("Seconds after which the command fails"),
  }),
]);
const mergeDriversInput = z
  .array(
    z.discriminatedUnion(
      "driver",
      [
        z.strictObject({
          pattern: driverPattern.describe("Paths that the driver applies to, with `*` and `**`"),
          driver: z
            .enum(fileDriverNames)
            .describe(
              "`union` keeps the lines of both sides; `json` merges the data of JSON, YAML and TOML files",
            ),
        }),
        z.strictObject({
          pattern: driverPattern.describe("Paths that the driver applies to, with `*` and `**`"),
          driver: z
            .literal("regenerate")
            .describe(
              "Runs the command in the sandbox on the merged files, and takes the files that match from it",
            ),
          command: command.describe("The program and its arguments, not a shell command line"),
          network: z
            .enum(["none", "full"])
            .default("none")
            .describe(
              "`none`, or everything outside of the server (`full`), which needs `agent:network:full`",
            ),
          timeout_seconds: z
            .int()
            .min(1)
            .max(MAX_REGENERATE_SECONDS, `must be at most ${MAX_REGENERATE_SECONDS} seconds`)
            .default(REGENERATE_SECONDS)
            .describe("Seconds after which the command fails"),
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
  id: id.describe("Id of the project"),
  organization_id: id.describe("Id of the organization"),
  name: z.string().describe("Name of the project"),
  slug: z.string().describe("Slug, unique in its organization; part of `clone_url`"),
  description: nullable.string.describe("Free text about the project; null for none"),
  default_branch: z
    .string()
    .describe("Branch that workspaces start from and merge into by default"),
  import_url: nullable.string.describe(
    "Address that it was imported from, without credentials; null for a project that was created empty",
  ),
  status: z
    .enum(["importing", "ready", "failed"])
    .describe("`ready` for work; `failed`: the import failed, see `error`"),
  progress: z.int().describe("Percentage of the import, 0 to 100; 100 when ready"),
  error: nullable.string.describe("Why the import failed, as a sentence; null if it did not"),
  clone_url: z.string().describe("Address for `git clone`, with an API key as the password"),
  protected_branches: z
    .array(protectedBranch)
    .describe(
      "The first entry whose pattern matches a branch applies; at first one of the default branch",
    ),
  upstream: upstream
    .nullable()
    .describe("The import source; null for a project that was created empty"),
  merge_drivers: z.array(mergeDriver).describe("Merge drivers by path; the first match applies"),
  kubernetes: projectContainers.describe(
    "Containers of the runs in its `kubernetes` workspaces; at first those of the installation",
  ),
  default_preset: z
    .enum(presetNames)
    .nullable()
    .describe("Program of new tasks; null for the only one that can start"),
  default_model: nullable.string.describe("Model of new tasks; null for the program's own"),
  stuck_after_minutes: z
    .int()
    .describe("Minutes of silence after which work counts as stuck and needs a person"),
  hold_untrusted_tasks: z
    .boolean()
    .describe(
      "Whether tasks whose text is by people without write access on the forge wait for a person before they start",
    ),
  ...budgets,
  counts: z
    .strictObject({
      agents: z.number().describe("Agents that are not terminated"),
      workspaces: z.number().describe("Active workspaces"),
      merges: z.number().describe("Merges of its workspaces, without syncs and undos"),
    })
    .describe("Numbers of what it contains"),
  created_at: timestamp.describe("Time of creation"),
  updated_at: timestamp.describe("Time of the last change"),
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
  )
  .refine((value) => branchNameProblem(value) === null, {
    error: ({ input }) => branchNameProblem(String(input)) ?? "",
  });

export const projectBranch = z.strictObject({
  name: z.string().describe("Name of the branch"),
  commit_sha: z.string().describe("Its newest commit"),
  subject: z.string().describe("First line of that commit's message"),
  committed_at: timestamp.describe("The unverified commit date"),
  is_default: z.boolean().describe("Whether it is the project's default branch"),
  agent_id: nullable.id.describe("Id of the agent whose workspace branch it is; null for others"),
});
export type Branch = z.output<typeof projectBranch>;

const projectFile = z.strictObject({
  path: z.string().describe("Path of the file in the default branch"),
});

export const projects = {
  list: endpoint({
    method: "GET",
    path: "/api/v1/projects",
    access: "signed-in",
    summary: "List the projects of one organization, or all visible to the caller",
    query: page.extend({
      organization_id: id.optional().describe("Only projects of this organization"),
    }),
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
      organization_id: id.describe("Id of the organization that is to own it"),
      name: name.describe("Name of the project, 1 to 255 characters"),
      slug: slug
        .optional()
        .describe(
          "2 to 63 of `a-z`, `0-9` and single `-`, unique in the organization; by default made from the name",
        ),
      description: description.nullish().describe("Free text of at most 2 000 characters"),
      default_branch: branch
        .optional()
        .describe("Name of the default branch; by default `main`, or that of the import"),
      import_url: z
        .string()
        .max(2000)
        .nullish()
        .describe(
          "Address to import from: `https://`, `ssh://`, `git@host:path` or, from folders that the installation allows, `file://`; without it, the repository starts with an empty commit",
        ),
      forge_id: id
        .optional()
        .describe(
          "With `repository`, in place of `import_url`: a connection to a forge, which signs in; requires org:forges:read",
        ),
      repository: repositoryName
        .optional()
        .describe("Full name of the repository of `forge_id`, as in `acme/shop`"),
      credential: credentialInput
        .optional()
        .describe(
          "For a private repository; for `ssh://`, the server generates a key if none is given",
        ),
      host_key: hostKeyInput
        .optional()
        .describe("The expected host key of an `ssh://` upstream; without it, trust on first use"),
    }),
    response: project,
    errors: ["slug_taken", ...forgeErrors],
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
      name: name.optional().describe("New name, 1 to 255 characters"),
      description: description
        .nullish()
        .describe("Free text of at most 2 000 characters; null removes it"),
      merge_drivers: mergeDriversInput
        .optional()
        .describe(
          "Merge drivers by path; replaces all of them. Needs `project:protection:write` if a protected branch has checks or approvals.",
        ),
      protected_branches: protectedBranchesInput
        .optional()
        .describe(
          "Protected branches; replaces all of them. Needs `project:protection:write`. Weakening a rule with approvals is proposed by `POST …/protection-changes` instead.",
        ),
      kubernetes: projectContainers
        .optional()
        .describe("Containers of the runs in its `kubernetes` workspaces; replaces all properties"),
      default_preset: z
        .enum(presetNames)
        .nullish()
        .describe("Program of new tasks; null for the only one that can start"),
      default_model: model.nullish().describe("Model of new tasks; null for the program's own"),
      stuck_after_minutes: z
        .int()
        .min(1)
        .max(1440)
        .optional()
        .describe("Minutes of silence after which work counts as stuck, 1 to 1 440; 15 by default"),
      hold_untrusted_tasks: z
        .boolean()
        .optional()
        .describe(
          "Whether tasks whose text is by people without write access on the forge wait for a person before they start; true by default",
        ),
      ...budgetsInput,
    }),
    response: project,
    errors: ["protection_change_needs_approval"],
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
  files: endpoint({
    method: "GET",
    path: "/api/v1/projects/{project_id}/files",
    access: "project:git:read",
    summary: "Find files of the project's default branch by words of their paths, best first",
    params: projectParams,
    query: page.extend({
      q: z
        .string()
        .trim()
        .min(1)
        .max(200)
        .describe(
          "Words that all occur in the path; if no path has them, files with similar words. At most 200 files are found.",
        ),
    }),
    response: z.array(projectFile),
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
