import { agentsFeature } from "./work/agents/feature.js";
import { apiKeysFeature } from "./identity/api-keys/feature.js";
import { auditFeature } from "./organization/audit/feature.js";
import { authFeature } from "./identity/auth/feature.js";
import { diskUsageFeature } from "./operation/disk-usage/feature.js";
import { doctorFeature } from "./operation/doctor/feature.js";
import { automationsFeature } from "./work/automations/feature.js";
import { environmentsFeature } from "./execution/environments/feature.js";
import { eventsFeature } from "./operation/events/feature.js";
import type { Feature } from "./feature.js";
import { forgesFeature } from "./work/forges/feature.js";
import { gitHttpFeature } from "./code/git-http/feature.js";
import { graphFeature } from "./code/graph/feature.js";
import { healthFeature } from "./operation/health/feature.js";
import { invitationsFeature } from "./organization/invitations/feature.js";
import { maintenanceFeature } from "./operation/maintenance/feature.js";
import { mcpFeature } from "./execution/mcp/feature.js";
import { membersFeature } from "./organization/members/feature.js";
import { modelsFeature } from "./execution/models/feature.js";
import { nodesFeature } from "./operation/nodes/feature.js";
import { notificationsFeature } from "./work/notifications/feature.js";
import { organizationsFeature } from "./organization/organizations/feature.js";
import { overviewFeature } from "./work/overview/feature.js";
import { peopleFeature } from "./identity/people/feature.js";
import { projectMovesFeature } from "./operation/project-moves/feature.js";
import { projectsFeature } from "./code/projects/feature.js";
import { radarFeature } from "./code/radar/feature.js";
import { reviewsFeature } from "./work/reviews/feature.js";
import { rolesFeature } from "./organization/roles/feature.js";
import { runsFeature } from "./execution/runs/feature.js";
import { runnersFeature } from "./execution/runners/feature.js";
import { secretsFeature } from "./execution/secrets/feature.js";
import type { Services } from "./services.js";
import { serviceAccountsFeature } from "./identity/service-accounts/feature.js";
import { tasksFeature } from "./work/tasks/feature.js";
import { usageFeature } from "./organization/usage/feature.js";
import { webhooksFeature } from "./operation/webhooks/feature.js";
import { workspacesFeature } from "./code/workspaces/feature.js";

/**
 * The features of the server in the order of their recovery and start. Projects that were moved here are in place
 * before others recover. Repositories are unlocked before
 * workspaces recover, and workspaces recover before runs. They stop in reverse order.
 */
export const features: readonly ((services: Services) => Feature)[] = [
  projectMovesFeature,
  authFeature,
  apiKeysFeature,
  organizationsFeature,
  membersFeature,
  invitationsFeature,
  rolesFeature,
  secretsFeature,
  peopleFeature,
  maintenanceFeature,
  nodesFeature,
  runnersFeature,
  auditFeature,
  agentsFeature,
  projectsFeature,
  environmentsFeature,
  workspacesFeature,
  diskUsageFeature,
  usageFeature,
  graphFeature,
  radarFeature,
  overviewFeature,
  eventsFeature,
  webhooksFeature,
  notificationsFeature,
  serviceAccountsFeature,
  modelsFeature,
  runsFeature,
  tasksFeature,
  automationsFeature,
  reviewsFeature,
  forgesFeature,
  gitHttpFeature,
  mcpFeature,
  healthFeature,
  doctorFeature,
];
