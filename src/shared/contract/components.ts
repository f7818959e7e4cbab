import { z } from "zod";
import { api } from "../api/index.js";
import { currentRun, waitingRun } from "../api/agents/agents.js";
import { diff } from "../api/projects/commits.js";
import { conflict, mergedText } from "../api/projects/merges.js";
import { runLimits } from "../api/agents/runs.js";
import { modelUsage } from "../api/organizations/budgets.js";
import { agentUsage, dayUsage, modelRow, projectUsage } from "../api/organizations/usage.js";

/** Names of response schemas and shared parts in the OpenAPI document. */
const named = {
  AgentUsage: agentUsage,
  Conflict: conflict,
  CurrentRun: currentRun,
  DayUsage: dayUsage,
  Diff: diff,
  MergedText: mergedText,
  ModelRow: modelRow,
  ModelUsage: modelUsage,
  ProjectUsage: projectUsage,
  RunLimits: runLimits,
  WaitingRun: waitingRun,

  User: api.auth.me.response,
  AdminUser: api.admin.users.response.element,
  AdminUserDetail: api.admin.user.response,
  PasswordLink: api.admin.resetPassword.response,
  UserExport: api.admin.export.response,
  InstallationUsage: api.admin.usage.response,
  OrganizationUsage: api.admin.organizations.response.element,
  InstallationEvent: api.admin.auditEvents.response.element,
  Tokens: api.auth.login.response,
  SignInMethods: api.auth.methods.response,
  Session: api.auth.session.response,
  SecondFactor: api.secondFactor.get.response,
  TotpSecret: api.secondFactor.startTotp.response,
  RecoveryCodes: api.secondFactor.confirmTotp.response,
  Passkey: api.passkeys.get.response,
  PasskeyOptions: api.passkeys.options.response,
  Identity: api.oidc.identity.response,
  IdentityLink: api.oidc.link.response,
  Organization: api.organizations.get.response,
  OrganizationItem: api.organizations.list.response.element,
  SlugAvailability: api.organizations.slugAvailability.response,
  Permissions: api.organizations.permissions.response,
  Member: api.members.get.response,
  Invitation: api.invitations.read.response,
  SentInvitation: api.invitations.create.response,
  InvitationOffer: api.invitations.get.response,
  Role: api.roles.get.response,
  Permission: api.roles.permissions.response.element,
  Project: api.projects.get.response,
  Branch: api.projects.branches.response.element,
  Agent: api.agents.get.response,
  Run: api.runs.get.response,
  TimedRun: api.runs.timeline.response.element,
  RunConnection: api.runs.egress.response.element,
  Sandbox: api.sandbox.get.response,
  Preset: api.presets.list.response.element,
  UsageReport: api.usage.get.response,
  DiskUsage: api.usage.disk.response,
  StatementItem: api.usage.statements.response.element,
  Statement: api.usage.statement.response,
  Workspace: api.workspaces.get.response,
  WorkspaceItem: api.workspaces.ofProject.response.element,
  Commit: api.workspaces.commit.response,
  CreatedCommit: api.workspaces.createCommit.response,
  Merge: api.workspaces.merge.response,
  MergeRequest: api.mergeQueue.get.response,
  Secret: api.organizationSecrets.get.response,
  Check: api.mergeQueue.setCheck.response,
  ProjectMerge: api.workspaces.mergesOfProject.response.element,
  MergeChanges: api.workspaces.mergeChanges.response,
  MergeConflicts: api.workspaces.mergeConflicts.response,
  Preview: api.previews.create.response,
  Radar: api.radar.project.response,
  ProjectGraph: api.graph.get.response,
  ApiKey: api.apiKeys.get.response,
  CreatedApiKey: api.apiKeys.create.response,
  OrganizationApiKey: api.apiKeys.listOfOrganization.response.element,
  ApiKeyUsage: api.apiKeys.usage.response,
  ApiKeyVerification: api.apiKeys.verify.response,
  AuditEvent: api.audit.list.response.element,
};

/** The named schemas. */
export const components = z.registry<{ id: string }>();
for (const [id, schema] of Object.entries(named)) components.add(schema, { id });
