import { agentsFeature } from "./agents/feature.js";
import { apiKeysFeature } from "./api-keys/feature.js";
import { auditFeature } from "./audit/feature.js";
import { authFeature } from "./auth/feature.js";
import { diskUsageFeature } from "./disk-usage/feature.js";
import { environmentsFeature } from "./environments/feature.js";
import { eventsFeature } from "./events/feature.js";
import type { Feature } from "./feature.js";
import { gitHttpFeature } from "./git-http/feature.js";
import { graphFeature } from "./graph/feature.js";
import { healthFeature } from "./health/feature.js";
import { invitationsFeature } from "./invitations/feature.js";
import { mcpFeature } from "./mcp/feature.js";
import { membersFeature } from "./members/feature.js";
import { modelsFeature } from "./models/feature.js";
import { nodesFeature } from "./nodes/feature.js";
import { notificationsFeature } from "./notifications/feature.js";
import { organizationsFeature } from "./organizations/feature.js";
import { overviewFeature } from "./overview/feature.js";
import { peopleFeature } from "./people/feature.js";
import { projectMovesFeature } from "./project-moves/feature.js";
import { projectsFeature } from "./projects/feature.js";
import { radarFeature } from "./radar/feature.js";
import { rolesFeature } from "./roles/feature.js";
import { runsFeature } from "./runs/feature.js";
import { runnersFeature } from "./runners/feature.js";
import { secretsFeature } from "./secrets/feature.js";
import type { Services } from "./services.js";
import { serviceAccountsFeature } from "./service-accounts/feature.js";
import { usageFeature } from "./usage/feature.js";
import { webhooksFeature } from "./webhooks/feature.js";
import { workspacesFeature } from "./workspaces/feature.js";

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
  gitHttpFeature,
  mcpFeature,
  healthFeature,
];
