/**
 * The tool of each call of the API for models that work with agents. A call without a tool says why. The type
 * requires an entry for every call.
 */
import type { CallName } from "#shared/contract/call-name.js";

export interface Tool {
  name: string;
  title: string;
  /** For models, where the summary of the call does not say enough. */
  description?: string;
  /** Whether what it does is hard to undo. */
  destroys?: boolean;
  /** Whether a repetition changes nothing more; by default as the method says. */
  repeats?: boolean;
  /** Fields of the call that are left out: models need no more. */
  without?: readonly string[];
  /** Values of fields unless they are given. */
  defaults?: Readonly<Record<string, unknown>>;
}

interface WithoutTool {
  reason: string;
}

const people: WithoutTool = { reason: "People are managed by people: accounts, members, roles." };
const signIn: WithoutTool = { reason: "It signs a person in, or is about how." };
const credentials: WithoutTool = {
  reason: "Credentials and secrets would enter the conversation with a model.",
};
const ownSettings: WithoutTool = {
  reason: "It is about a person's own settings, which no agent changes or reads.",
};
const operators: WithoutTool = { reason: "It is about the installation, not about work." };
const settings: WithoutTool = {
  reason: "It changes the rules of the work, which people decide on pages or with omoi.",
};
const pages: WithoutTool = { reason: "It serves a page; another tool has its content." };
const streams: WithoutTool = { reason: "A tool answers once; this is a stream." };
const conversations: WithoutTool = {
  reason: "A model in the conversation of another would answer in a person's place.",
};

export const tools: Record<CallName, Tool | WithoutTool> = {
  "auth.me": {
    name: "whoami",
    title: "Who am I",
    description:
      "Get the person whose credential this is. An agent's credential is refused: use get_agent.",
  },
  "auth.register": signIn,
  "auth.login": signIn,
  "auth.methods": signIn,
  "auth.refresh": signIn,
  "auth.logout": signIn,
  "auth.updateMe": people,
  "auth.sessions": signIn,
  "auth.session": signIn,
  "auth.endSession": signIn,
  "auth.endOtherSessions": signIn,
  "auth.verifyEmail": signIn,
  "auth.resendVerification": signIn,
  "auth.forgotPassword": signIn,
  "auth.resetPassword": signIn,
  "auth.changePassword": signIn,
  "secondFactor.get": signIn,
  "secondFactor.startTotp": signIn,
  "secondFactor.confirmTotp": signIn,
  "secondFactor.removeTotp": signIn,
  "secondFactor.renewRecoveryCodes": signIn,
  "secondFactor.login": signIn,
  "passkeys.list": signIn,
  "passkeys.get": signIn,
  "passkeys.options": signIn,
  "passkeys.create": signIn,
  "passkeys.rename": signIn,
  "passkeys.remove": signIn,
  "passkeys.loginOptions": signIn,
  "passkeys.login": signIn,
  "oidc.start": signIn,
  "oidc.callback": signIn,
  "oidc.identities": signIn,
  "oidc.identity": signIn,
  "oidc.link": signIn,
  "oidc.unlink": signIn,
  "deviceLogin.start": signIn,
  "deviceLogin.token": signIn,
  "deviceLogin.get": signIn,
  "deviceLogin.approve": signIn,
  "deviceLogin.deny": signIn,
  "notifications.get": ownSettings,
  "notifications.set": ownSettings,
  "notifications.setForOrganization": ownSettings,
  "notifications.resetForOrganization": ownSettings,
  "notifications.getWebhook": ownSettings,
  "notifications.setWebhook": ownSettings,
  "notifications.deleteWebhook": ownSettings,
  "notifications.testWebhook": ownSettings,
  "notifications.deliveries": ownSettings,

  "organizations.list": { name: "list_organizations", title: "List organizations" },
  "organizations.get": pages,
  "organizations.create": settings,
  "organizations.update": settings,
  "organizations.archive": settings,
  "organizations.restore": settings,
  "organizations.transfer": settings,
  "organizations.permissions": people,
  "organizations.slugAvailability": pages,
  "members.list": people,
  "members.add": people,
  "members.get": people,
  "members.update": people,
  "members.remove": people,
  "invitations.list": people,
  "invitations.create": people,
  "invitations.read": people,
  "invitations.revoke": people,
  "invitations.resend": people,
  "invitations.get": people,
  "invitations.accept": people,
  "roles.list": people,
  "roles.create": people,
  "roles.get": people,
  "roles.update": people,
  "roles.remove": people,
  "roles.permissions": people,

  "projects.list": { name: "list_projects", title: "List projects" },
  "projects.get": { name: "get_project", title: "Get a project" },
  "projects.branches": { name: "list_branches", title: "List the branches of a project" },
  "projects.create": settings,
  "projects.update": settings,
  "projects.delete": settings,
  "upstreams.fetch": settings,
  "upstreams.cancelFetch": settings,
  "upstreams.push": settings,
  "upstreams.setCredential": credentials,
  "upstreams.removeCredential": credentials,
  "upstreams.trustHostKey": settings,
  "environments.get": settings,
  "environments.set": settings,
  "environments.builds": settings,
  "environments.build": settings,
  "graph.get": pages,
  "radar.project": {
    name: "list_conflicts_ahead",
    title: "List conflicts between workspaces",
    description:
      "List which active workspaces of a project would conflict if they were merged now, with the files.",
  },
  "radar.workspace": {
    name: "get_conflicts_ahead",
    title: "Get the conflicts ahead of a workspace",
    description:
      "Get the conflicts of an agent's workspace with other workspaces and its base branch.",
  },

  "agents.list": { name: "list_agents", title: "List agents" },
  "agents.get": { name: "get_agent", title: "Get an agent and what it does" },
  "agents.create": {
    name: "create_agent",
    title: "Create an agent",
    description:
      "Create an agent on a project, also as the child of another agent, with a task. Its workspace is made by create_workspace.",
  },
  "agents.update": {
    name: "update_agent",
    title: "Change the task of an agent",
    without: ["max_model_cost_usd", "max_model_tokens"],
  },
  "agents.delete": settings,
  "agents.clearHome": settings,
  "runs.create": {
    name: "start_run",
    title: "Start a run of an agent",
    description:
      "Start a command or a preset with a prompt in the workspace of an agent. It answers at once; follow it with get_run and get_run_log.",
    without: ["external"],
  },
  "runs.list": { name: "list_runs", title: "List the runs of an agent" },
  "runs.get": { name: "get_run", title: "Get a run" },
  "runs.logs": {
    name: "get_run_log",
    title: "Get the output of a run",
    description: "Get the end of a run's output as text; `tail` says how many lines.",
    without: ["download"],
    defaults: { tail: 200 },
  },
  "runs.stop": { name: "stop_run", title: "Stop a run", destroys: true, repeats: true },
  "runs.timeline": pages,
  "runs.egress": pages,
  "runs.heartbeat": { reason: "A leased run's own worker sends it." },
  "agentSessions.create": conversations,
  "agentSessions.list": conversations,
  "agentSessions.search": conversations,
  "agentSessions.get": conversations,
  "agentSessions.events": streams,
  "agentSessions.prompt": conversations,
  "agentSessions.cancel": conversations,
  "agentSessions.answer": conversations,
  "agentSessions.update": conversations,
  "agentSessions.close": conversations,
  "sandbox.get": operators,
  "presets.list": { name: "list_presets", title: "List the programs that runs can start" },

  "usage.get": {
    name: "get_usage",
    title: "Get the usage of an organization",
    description: "Get the usage of a UTC calendar month with today's limits.",
    without: ["format"],
  },
  "usage.disk": operators,
  "usage.statements": pages,
  "usage.statement": pages,

  "workspaces.ofProject": { name: "list_workspaces", title: "List the workspaces of a project" },
  "workspaces.create": {
    name: "create_workspace",
    title: "Create the workspace of an agent",
    without: ["merge_strategy"],
  },
  "workspaces.get": { name: "get_workspace", title: "Get the workspace of an agent" },
  "workspaces.changes": {
    name: "get_workspace_changes",
    title: "Get the changes of a workspace",
    description: "Get what an agent has changed against its base branch, as a diff with patches.",
  },
  "workspaces.createCommit": {
    name: "commit_workspace",
    title: "Commit the changes of a workspace",
  },
  "workspaces.commits": { name: "list_commits", title: "List the commits of a workspace" },
  "workspaces.commit": pages,
  "workspaces.diff": pages,
  "workspaces.sync": {
    name: "sync_workspace",
    title: "Merge the base branch into a workspace",
    without: ["resolutions", "expected_source", "expected_target"],
  },
  "workspaces.update": settings,
  "workspaces.archive": settings,
  "workspaces.restore": settings,
  "previews.create": pages,
  "workspaces.previewMerge": {
    name: "preview_merge",
    title: "Preview a merge",
    description:
      "Say what a merge of an agent's workspace would do, and how conflicts would be decided.",
    without: ["expected_source", "expected_target"],
  },
  "workspaces.createMerge": {
    name: "merge_workspace",
    title: "Merge a workspace",
    description:
      "Merge an agent's workspace into its base branch, or with `queue` put the merge into the merge queue, as protected branches need.",
    destroys: true,
    without: ["expected_source", "expected_target"],
  },
  "workspaces.merges": { name: "list_merges", title: "List the merges of a workspace" },
  "workspaces.merge": { name: "get_merge", title: "Get a merge" },
  "workspaces.mergesOfProject": {
    name: "list_project_merges",
    title: "List the merges of a project",
  },
  "workspaces.mergeChanges": pages,
  "workspaces.mergeConflicts": pages,
  "workspaces.previewConflicts": pages,
  "workspaces.revertMerge": {
    name: "revert_merge",
    title: "Revert a merge",
    destroys: true,
    without: ["resolutions", "expected_source", "expected_target"],
  },
  "workspaces.restoreVersion": settings,
  "mergeQueue.list": { name: "list_merge_queue", title: "List the merge queue of a project" },
  "mergeQueue.get": { name: "get_merge_request", title: "Get a request of the merge queue" },
  "mergeQueue.cancel": {
    name: "cancel_merge_request",
    title: "Take a merge out of the queue",
    destroys: true,
  },
  "mergeQueue.approve": { reason: "Approvals are given by people who have read the work." },
  "mergeQueue.checks": settings,
  "mergeQueue.check": settings,
  "mergeQueue.setCheck": settings,
  "mergeQueue.deleteCheck": settings,

  "overview.attention": {
    name: "list_attention",
    title: "List what waits for a person",
  },
  "overview.work": {
    name: "list_work",
    title: "List agents with their current work",
    description:
      "List the agents of an organization with state, last line, unmerged work and conflicts.",
  },
  "overview.results": pages,
  "overview.dismiss": pages,
  "overview.undismiss": pages,

  "organizationSecrets.list": credentials,
  "organizationSecrets.get": credentials,
  "organizationSecrets.set": credentials,
  "organizationSecrets.delete": credentials,
  "projectSecrets.list": credentials,
  "projectSecrets.get": credentials,
  "projectSecrets.set": credentials,
  "projectSecrets.delete": credentials,
  "apiKeys.list": credentials,
  "apiKeys.create": credentials,
  "apiKeys.get": credentials,
  "apiKeys.update": credentials,
  "apiKeys.revoke": credentials,
  "apiKeys.rotate": credentials,
  "apiKeys.usage": credentials,
  "apiKeys.narrow": credentials,
  "apiKeys.verify": credentials,
  "apiKeys.revokeLeaked": credentials,
  "apiKeys.listOfOrganization": credentials,
  "apiKeys.shutOut": credentials,
  "serviceAccounts.list": settings,
  "serviceAccounts.create": credentials,
  "serviceAccounts.get": settings,
  "serviceAccounts.update": credentials,
  "serviceAccounts.delete": credentials,
  "serviceAccounts.listKeys": credentials,
  "serviceAccounts.createKey": credentials,
  "serviceAccounts.getKey": credentials,
  "serviceAccounts.revokeKey": credentials,
  "serviceAccounts.rotateKey": credentials,
  "webhooks.eventTypes": settings,
  "webhooks.list": settings,
  "webhooks.create": credentials,
  "webhooks.get": settings,
  "webhooks.update": settings,
  "webhooks.delete": settings,
  "webhooks.rotateSecret": credentials,
  "webhooks.test": settings,
  "webhooks.deliveries": settings,
  "webhooks.delivery": settings,
  "webhooks.redeliver": settings,
  "audit.list": people,
  "audit.export": people,
  "events.stream": streams,
  "admin.users": operators,
  "admin.user": operators,
  "admin.disable": operators,
  "admin.enable": operators,
  "admin.removeSecondFactor": operators,
  "admin.signOut": operators,
  "admin.promote": operators,
  "admin.demote": operators,
  "admin.resetPassword": operators,
  "admin.export": operators,
  "admin.delete": operators,
  "admin.usage": operators,
  "admin.organizations": operators,
  "admin.auditEvents": operators,
  "nodes.list": operators,
  "nodes.get": operators,
  "nodes.projects": operators,
  "nodes.drain": operators,
  "nodes.resume": operators,
  "runners.list": operators,
  "runners.create": credentials,
  "runners.get": operators,
  "runners.update": operators,
  "runners.delete": operators,
  "runners.available": { name: "list_runners", title: "List the runners of an organization" },
  "projectMoves.start": operators,
  "projectMoves.get": operators,
  "projectMoves.cancel": operators,
};
