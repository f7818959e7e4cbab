import { z } from "zod";
import { endpoint } from "../../contract/endpoint.js";
import { id } from "../../contract/fields.js";
import { branch, credentialInput, hostKeyInput, project } from "./projects.js";

const params = z.strictObject({ project_id: id.describe("Id of the project") });

export const upstreams = {
  fetch: endpoint({
    method: "POST",
    path: "/api/v1/projects/{project_id}/fetch",
    access: "project:write",
    summary: "Fetch from the upstream in the background; restarts a failed import",
    status: 202,
    params,
    response: project,
    errors: ["no_upstream", "upstream_busy"],
  }),
  cancelFetch: endpoint({
    method: "DELETE",
    path: "/api/v1/projects/{project_id}/fetch",
    access: "project:write",
    summary: "Cancel the running fetch; the next one continues",
    status: 200,
    params,
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
    params,
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
    params,
    body: credentialInput,
    response: project,
    errors: ["no_upstream"],
  }),
  removeCredential: endpoint({
    method: "DELETE",
    path: "/api/v1/projects/{project_id}/upstream/credential",
    access: "project:write",
    summary: "Remove the upstream credential",
    params,
    errors: ["no_upstream"],
  }),
  trustHostKey: endpoint({
    method: "PUT",
    path: "/api/v1/projects/{project_id}/upstream/host-key",
    access: "project:write",
    summary: "Set the expected host key of an SSH upstream; null trusts the next one on first use",
    params,
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
