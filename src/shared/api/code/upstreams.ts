import { z } from "zod";
import { endpoint } from "../../contract/endpoint.js";
import { id, projectParams } from "../../contract/fields.js";
import { bodyTemplateProblem, branchTemplateProblem } from "../../work/pull-request-template.js";
import {
  branch,
  credentialInput,
  forgeErrors,
  hostKeyInput,
  project,
  repositoryName,
} from "./projects.js";

const templateOf = (maximum: number, problemOf: (text: string) => string | null) =>
  z
    .string()
    .trim()
    .min(1)
    .max(maximum)
    .superRefine((text, context) => {
      const problem = text.includes("\u0000") ? "must not contain NUL" : problemOf(text);
      if (problem !== null) context.addIssue({ code: "custom", message: problem });
    });
const branchTemplate = templateOf(100, branchTemplateProblem);
const bodyTemplate = templateOf(20_000, bodyTemplateProblem);

export const upstreams = {
  fetch: endpoint({
    method: "POST",
    path: "/api/v1/projects/{project_id}/fetch",
    access: "project:write",
    summary: "Fetch from the upstream in the background; restarts a failed import",
    status: 202,
    params: projectParams,
    response: project,
    errors: ["no_upstream", "upstream_busy"],
  }),
  cancelFetch: endpoint({
    method: "DELETE",
    path: "/api/v1/projects/{project_id}/fetch",
    access: "project:write",
    summary: "Cancel the running fetch; the next one continues",
    status: 200,
    params: projectParams,
    response: project,
    errors: ["no_upstream", "nothing_to_cancel"],
  }),
  push: endpoint({
    method: "POST",
    path: "/api/v1/projects/{project_id}/push",
    access: "project:write",
    summary:
      "Push a branch to the upstream in the background, fast-forward only; also requires project:git:write",
    status: 202,
    params: projectParams,
    /** Defaults to the default branch. */
    body: z
      .strictObject({
        branch: branch.optional().describe("Branch to push; by default the default branch"),
      })
      .optional(),
    response: project,
    errors: ["no_upstream", "upstream_busy", "project_not_ready"],
  }),
  setCredential: endpoint({
    method: "PUT",
    path: "/api/v1/projects/{project_id}/upstream/credential",
    access: "project:write",
    summary: "Set or replace the upstream credential; it is never returned",
    params: projectParams,
    body: credentialInput,
    response: project,
    errors: ["no_upstream", "repository_linked"],
  }),
  linkRepository: endpoint({
    method: "PUT",
    path: "/api/v1/projects/{project_id}/repository",
    access: "project:write",
    summary:
      "Make a repository of a connected forge the project's upstream, and fetch from it; also requires org:forges:read",
    status: 200,
    params: projectParams,
    body: z.strictObject({
      forge_id: id.describe("Id of the connection"),
      repository: repositoryName.describe("Full name, as in `acme/shop`"),
      branch_template: branchTemplate
        .nullable()
        .optional()
        .describe(
          "Template of the branches of pull requests, with `{{task.number}}` and `{{task.slug}}`; null for the usual one, absent to keep it",
        ),
      body_template: bodyTemplate
        .nullable()
        .optional()
        .describe(
          "Template of the bodies of pull requests, with `{{summary}}`, `{{checks}}`, `{{task.title}}`, `{{task.number}}`, `{{task.url}}` and `{{project.name}}`; null for the usual one, absent to keep it",
        ),
    }),
    response: project,
    errors: [...forgeErrors, "upstream_busy", "project_not_ready"],
  }),
  removeCredential: endpoint({
    method: "DELETE",
    path: "/api/v1/projects/{project_id}/upstream/credential",
    access: "project:write",
    summary: "Remove the upstream credential",
    params: projectParams,
    errors: ["no_upstream"],
  }),
  trustHostKey: endpoint({
    method: "PUT",
    path: "/api/v1/projects/{project_id}/upstream/host-key",
    access: "project:write",
    summary: "Set the expected host key of an SSH upstream; null trusts the next one on first use",
    params: projectParams,
    body: z.strictObject({
      host_key: hostKeyInput
        .nullable()
        .describe(
          "Host key or its SHA-256 fingerprint; null trusts the key of the next connection",
        ),
    }),
    response: project,
    errors: ["no_upstream"],
  }),
};
