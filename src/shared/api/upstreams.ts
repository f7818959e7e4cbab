import { z } from "zod";
import { endpoint } from "../contract/endpoint.js";
import { id } from "../contract/fields.js";
import { branch, project } from "./projects.js";
import { credentialInput, hostKeyInput } from "./upstream-inputs.js";

const params = z.strictObject({ project_id: id });

export const upstreams = {
  fetch: endpoint({
    method: "POST",
    path: "/api/v1/projects/{project_id}/fetch",
    access: "project:write",
    summary:
      "Bring in what is new upstream, in the background; begins an import that failed once more",
    status: 202,
    params,
    response: project,
  }),
  cancelFetch: endpoint({
    method: "DELETE",
    path: "/api/v1/projects/{project_id}/fetch",
    access: "project:write",
    summary: "Cancel the fetch that is under way; what has not come yet is left for the next one",
    status: 200,
    params,
    response: project,
  }),
  push: endpoint({
    method: "POST",
    path: "/api/v1/projects/{project_id}/push",
    access: "project:write",
    summary:
      "Hand a branch back upstream, in the background: forward only; needs project:git:write too",
    status: 202,
    params,
    /** The default branch, where none is named. */
    body: z.strictObject({ branch: branch.optional() }).optional(),
    response: project,
  }),
  setCredential: endpoint({
    method: "PUT",
    path: "/api/v1/projects/{project_id}/upstream/credential",
    access: "project:write",
    summary: "Set or replace what the upstream is shown to be let in; it is never answered",
    params,
    body: credentialInput,
    response: project,
  }),
  removeCredential: endpoint({
    method: "DELETE",
    path: "/api/v1/projects/{project_id}/upstream/credential",
    access: "project:write",
    summary: "Forget what the upstream is shown to be let in",
    params,
  }),
  trustHostKey: endpoint({
    method: "PUT",
    path: "/api/v1/projects/{project_id}/upstream/host-key",
    access: "project:write",
    summary: "Say which host key the SSH upstream must show; null trusts the one it shows next",
    params,
    body: z.strictObject({ host_key: hostKeyInput.nullable() }),
    response: project,
  }),
};
