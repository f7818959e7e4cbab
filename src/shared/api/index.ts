import { admin } from "./admin.js";
import { agents } from "./agents.js";
import { apiKeys } from "./api-keys.js";
import { audit } from "./audit.js";
import { auth } from "./auth.js";
import { events } from "./events.js";
import { graph } from "./graph.js";
import { invitations } from "./invitations.js";
import { members } from "./members.js";
import { oidc } from "./oidc.js";
import { organizations } from "./organizations.js";
import { passkeys } from "./passkeys.js";
import { previews } from "./previews.js";
import { projects } from "./projects.js";
import { radar } from "./radar.js";
import { roles } from "./roles.js";
import { runs } from "./runs.js";
import { sandbox } from "./sandbox.js";
import { secondFactor } from "./second-factor.js";
import { upstreams } from "./upstreams.js";
import { usage } from "./usage.js";
import { workspaces } from "./workspaces.js";

/** The whole API, by resource. */
export const api = {
  auth,
  secondFactor,
  passkeys,
  oidc,
  organizations,
  members,
  invitations,
  roles,
  projects,
  upstreams,
  agents,
  runs,
  sandbox,
  usage,
  workspaces,
  previews,
  radar,
  graph,
  apiKeys,
  audit,
  admin,
  events,
};
