import { admin } from "./admin.js";
import { agents } from "./agents/agents.js";
import { apiKeys } from "./organizations/api-keys.js";
import { audit } from "./organizations/audit.js";
import { auth } from "./identity/auth.js";
import { nodes } from "./nodes.js";
import { projectMoves } from "./project-moves.js";
import { deviceLogin } from "./identity/device-login.js";
import { environments } from "./projects/environments.js";
import { events } from "./organizations/events.js";
import { graph } from "./projects/graph.js";
import { invitations } from "./organizations/invitations.js";
import { members } from "./organizations/members.js";
import { mergeQueue } from "./projects/merge-requests.js";
import { notifications } from "./identity/notifications.js";
import { oidc } from "./identity/oidc.js";
import { organizations } from "./organizations/organizations.js";
import { overview } from "./organizations/overview.js";
import { passkeys } from "./identity/passkeys.js";
import { organizationSecrets, projectSecrets } from "./organizations/secrets.js";
import { presets } from "./agents/presets.js";
import { previews } from "./projects/previews.js";
import { projects } from "./projects/projects.js";
import { radar } from "./projects/radar.js";
import { roles } from "./organizations/roles.js";
import { runners } from "./runners.js";
import { runs } from "./agents/runs.js";
import { sandbox } from "./agents/sandbox.js";
import { agentSessions } from "./agents/sessions.js";
import { secondFactor } from "./identity/second-factor.js";
import { upstreams } from "./projects/upstreams.js";
import { serviceAccounts } from "./organizations/service-accounts.js";
import { usage } from "./organizations/usage.js";
import { webhooks } from "./organizations/webhooks.js";
import { workspaces } from "./projects/workspaces.js";

/** The whole API, by resource. */
export const api = {
  auth,
  secondFactor,
  passkeys,
  oidc,
  deviceLogin,
  notifications,
  organizations,
  members,
  invitations,
  roles,
  projects,
  upstreams,
  environments,
  agents,
  runs,
  runners,
  agentSessions,
  sandbox,
  presets,
  usage,
  workspaces,
  mergeQueue,
  previews,
  radar,
  overview,
  graph,
  organizationSecrets,
  projectSecrets,
  apiKeys,
  audit,
  admin,
  nodes,
  projectMoves,
  events,
  webhooks,
  serviceAccounts,
};
