import { z } from "zod";
import { endpoint } from "./endpoint.js";
import { description, id, name, page, slug, timestamp } from "./fields.js";

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
  counts: z.strictObject({ agents: z.number(), workspaces: z.number(), merges: z.number() }),
  created_at: timestamp,
  updated_at: timestamp,
});
export type Project = z.output<typeof project>;

/** A branch name that git accepts and that reads as one (git-check-ref-format(1), plus plain ASCII). */
export const branch = z
  .string("must be a text")
  .min(1, "must not be empty")
  .max(200, "must be at most 200 characters")
  .regex(/^[A-Za-z0-9_](?:[A-Za-z0-9._/-]*[A-Za-z0-9_-])?$/, "must be a branch name, such as main")
  .refine(
    (value) => !/\.\.|\/\/|\/\.|\.\/|\.lock(?:$|\/)|@\{/.test(value) && value !== "HEAD",
    "must be a branch name that git accepts",
  );

export const projectBranch = z.strictObject({
  name: z.string(),
  commit_sha: z.string(),
  subject: z.string(),
  /** As the commit says, which nobody checks. */
  committed_at: timestamp,
  is_default: z.boolean(),
  /** Whose workspace it is of; null for an ordinary branch. */
  agent_id: id.nullable(),
});
export type Branch = z.output<typeof projectBranch>;

const projectParams = z.strictObject({ project_id: id });

export const projects = {
  list: endpoint({
    method: "GET",
    path: "/api/v1/projects",
    access: "signed-in",
    summary: "List projects of one organization, or all the caller can see",
    query: page.extend({ organization_id: id.optional() }),
    response: z.array(project),
  }),
  create: endpoint({
    method: "POST",
    path: "/api/v1/projects",
    access: "project:write",
    tenant: "body.organization_id",
    summary: "Create a project: empty, or imported from a repository in the background",
    status: 201,
    body: z.strictObject({
      organization_id: id,
      name,
      slug: slug.optional(),
      description: description.nullish(),
      default_branch: branch.optional(),
      import_url: z
        .string("must be a text")
        .max(2000, "must be at most 2 000 characters")
        .nullish(),
    }),
    response: project,
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
    body: z.strictObject({ name: name.optional(), description: description.nullable().optional() }),
    response: project,
  }),
  branches: endpoint({
    method: "GET",
    path: "/api/v1/projects/{project_id}/branches",
    access: "project:read",
    summary: "List the project's branches with the commits at their ends",
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
  }),
};
