import { z } from "zod";
import { endpoint } from "../../contract/endpoint.js";
import { id, orgParams } from "../../contract/fields.js";
import { forgeErrors } from "../code/projects.js";
import { forgeUrl } from "./forges.js";

export const githubApps = {
  manifest: endpoint({
    method: "POST",
    path: "/api/v1/organizations/{org_id}/forges/github-manifest",
    access: "org:forges:write",
    summary: "Begin to connect GitHub by an App that is made from the browser, within an hour",
    status: 200,
    params: orgParams,
    body: z.strictObject({
      url: forgeUrl
        .optional()
        .describe("Address of GitHub, or of GitHub Enterprise Server; github.com by default"),
      api_url: forgeUrl
        .optional()
        .describe("Address of the API; by default the usual one at `url`"),
      account: z
        .string()
        .trim()
        .regex(/^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$/, "must be the name of an organization on GitHub")
        .optional()
        .describe("Organization on GitHub that owns the App; by default the person"),
    }),
    response: z.strictObject({
      url: z
        .string()
        .describe("Address that the browser sends a form to, whose field `manifest` has the text"),
      manifest: z.string().describe("The App's manifest, as JSON"),
      state: z.string().describe("The state, which is in `url`; it counts for this session, once"),
    }),
    errors: [...forgeErrors, "session_required", "too_many_forges"],
  }),
  startLink: endpoint({
    method: "POST",
    path: "/api/v1/organizations/{org_id}/forges/{forge_id}/link/start",
    access: "org:read",
    summary:
      "Begin to link your own account in the browser, on a forge with an OAuth application or a GitHub App that was made from the browser",
    status: 200,
    params: orgParams.extend({ forge_id: id.describe("Id of the connection") }),
    response: z.strictObject({
      url: z.string().describe("Address on the forge to open in the browser, within 10 minutes"),
    }),
    errors: ["session_required", "forge_without_oauth"],
  }),
  callback: endpoint({
    method: "GET",
    path: "/api/v1/forges/github/callback",
    access: "public",
    summary: "Where GitHub sends the browser back to, after each step of a person's visit",
    status: 302,
    // GitHub adds others.
    query: z.looseObject({}),
  }),
  oauthCallback: endpoint({
    method: "GET",
    path: "/api/v1/forges/oauth/callback",
    access: "public",
    summary: "Where GitLab, Gitea and Forgejo send the browser back to after a person's consent",
    status: 302,
    query: z.looseObject({}),
  }),
};
