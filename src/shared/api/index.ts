import { admin } from "./operation/admin.js";
import { agents } from "./work/agents.js";
import { apiKeys } from "./identity/api-keys.js";
import { audit } from "./organization/audit.js";
import { auth } from "./identity/auth.js";
import { nodes } from "./operation/nodes.js";
import { projectMoves } from "./operation/project-moves.js";
import { deviceLogin } from "./identity/device-login.js";
import { doctor } from "./operation/doctor.js";
import { environments } from "./execution/environments.js";
import { events } from "./operation/events.js";
import { graph } from "./code/graph.js";
import { invitations } from "./organization/invitations.js";
import { maintenance } from "./operation/maintenance.js";
import { members } from "./organization/members.js";
import { mergeQueue } from "./code/merge-requests.js";
import { protectionChanges } from "./code/protection-changes.js";
import { notifications } from "./work/notifications.js";
import { oidc } from "./identity/oidc.js";
import { organizations } from "./organization/organizations.js";
import { opinions } from "./work/opinions.js";
import { overview } from "./work/overview.js";
import { passkeys } from "./identity/passkeys.js";
import { organizationSecrets, projectSecrets } from "./execution/secrets.js";
import { presets } from "./execution/presets.js";
import { previews } from "./code/previews.js";
import { projects } from "./code/projects.js";
import { radar } from "./code/radar.js";
import { reviews } from "./work/reviews.js";
import { roles } from "./organization/roles.js";
import { runners } from "./execution/runners.js";
import { runs } from "./execution/runs.js";
import { sandbox } from "./execution/sandbox.js";
import { agentSessions } from "./work/sessions.js";
import { secondFactor } from "./identity/second-factor.js";
import { automations } from "./work/automations.js";
import { tasks } from "./work/tasks.js";
import { threads } from "./work/threads.js";
import { forgeDeliveries } from "./work/forge-deliveries.js";
import { forgePeople } from "./work/forge-people.js";
import { forges } from "./work/forges.js";
import { githubApps } from "./work/github-apps.js";
import { pullRequests } from "./work/pull-requests.js";
import { upstreams } from "./code/upstreams.js";
import { serviceAccounts } from "./identity/service-accounts.js";
import { usage } from "./organization/usage.js";
import { webhooks } from "./operation/webhooks.js";
import { workspaces } from "./code/workspaces.js";

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
  tasks,
  reviews,
  threads,
  opinions,
  forges,
  forgeDeliveries,
  forgePeople,
  githubApps,
  pullRequests,
  automations,
  agents,
  runs,
  runners,
  agentSessions,
  sandbox,
  presets,
  usage,
  workspaces,
  mergeQueue,
  protectionChanges,
  previews,
  radar,
  overview,
  graph,
  organizationSecrets,
  projectSecrets,
  apiKeys,
  audit,
  admin,
  maintenance,
  nodes,
  projectMoves,
  doctor,
  events,
  webhooks,
  serviceAccounts,
};
