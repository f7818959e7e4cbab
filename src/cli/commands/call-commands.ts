/**
 * The command of each call of the API. A call without one says why, or which command written by hand
 * makes it. The type requires an entry for every call.
 */
import type { CallName } from "#shared/contract/client.js";
import { type CallCommand, type WithoutCommand, byOrganization, written } from "./call-command.js";
import { automationCommands } from "./automation-commands.js";
import { reviewCommands } from "./review-commands.js";
import { taskCommands } from "./task-commands.js";

const inBrowser: WithoutCommand = { reason: "It needs a browser." };
const onPage: WithoutCommand = {
  reason: "Passwords and codes are entered on the sign-in page, which omoi login opens.",
};
const byAgent: WithoutCommand = { reason: "The command of an agent makes it without one." };

export const callCommands: Record<CallName, CallCommand | WithoutCommand> = {
  "auth.register": onPage,
  "auth.login": onPage,
  "auth.methods": { command: "account methods" },
  "auth.refresh": { reason: "The command line signs in by a key, which has no refresh token." },
  "auth.logout": written("logout"),
  "auth.me": written("whoami"),
  "auth.updateMe": { command: "account update", examples: ["account update --full-name 'Ada L.'"] },
  "auth.sessions": {
    command: "account sessions",
    columns: ["id", "user_agent", "ip", "last_used_at", "expires_at"],
  },
  "auth.session": { command: "account session" },
  "auth.endSession": { command: "account end-session", confirms: true },
  "auth.endOtherSessions": { command: "account end-other-sessions", confirms: true },
  "auth.verifyEmail": inBrowser,
  "auth.resendVerification": inBrowser,
  "auth.forgotPassword": inBrowser,
  "auth.resetPassword": inBrowser,
  "auth.changePassword": onPage,
  "secondFactor.get": onPage,
  "secondFactor.startTotp": onPage,
  "secondFactor.confirmTotp": onPage,
  "secondFactor.removeTotp": onPage,
  "secondFactor.renewRecoveryCodes": onPage,
  "secondFactor.login": onPage,
  "passkeys.list": inBrowser,
  "passkeys.get": inBrowser,
  "passkeys.options": inBrowser,
  "passkeys.create": inBrowser,
  "passkeys.rename": inBrowser,
  "passkeys.remove": inBrowser,
  "passkeys.loginOptions": inBrowser,
  "passkeys.login": inBrowser,
  "oidc.start": inBrowser,
  "oidc.callback": inBrowser,
  "oidc.identities": inBrowser,
  "oidc.identity": inBrowser,
  "oidc.link": inBrowser,
  "oidc.unlink": inBrowser,
  "deviceLogin.start": written("login"),
  "deviceLogin.token": written("login"),
  "deviceLogin.get": inBrowser,
  "deviceLogin.approve": inBrowser,
  "deviceLogin.deny": inBrowser,

  "notifications.get": { command: "notification show" },
  "notifications.set": {
    command: "notification set",
    examples: [
      `notification set --choices '[{"kind":"run_failed","email":true,"webhook":false,"scope":"all"}]'`,
    ],
  },
  "notifications.setForOrganization": {
    command: "notification set-organization",
    args: ["org_id?"],
    examples: [
      `notification set-organization acme --choices '[{"kind":"conflict","email":false,"webhook":false,"scope":"own"}]'`,
    ],
  },
  "notifications.resetForOrganization": {
    command: "notification reset-organization",
    args: ["org_id?"],
  },
  "notifications.getWebhook": { command: "notification show-webhook" },
  "notifications.setWebhook": {
    command: "notification set-webhook",
    args: ["url"],
    examples: ["notification set-webhook https://chat.example.com/hook"],
  },
  "notifications.deleteWebhook": { command: "notification delete-webhook", confirms: true },
  "notifications.testWebhook": { command: "notification test" },
  "notifications.deliveries": {
    command: "notification list",
    columns: ["created_at", "channel", "status", "kind", "organization.name", "text"],
    examples: ["notification list --channel webhook --status failed"],
  },

  "organizations.list": {
    command: "org list",
    columns: ["slug", "name", "role", "is_active", "counts.agents", "counts.projects", "id"],
    examples: ["org list --include-archived", "org list --json"],
  },
  "organizations.create": {
    command: "org create",
    args: ["name"],
    examples: ["org create 'Acme Corp' --slug acme"],
  },
  "organizations.get": { command: "org show", args: ["org_id?"] },
  "organizations.update": {
    command: "org update",
    args: ["org_id?"],
    examples: ["org update acme --max-concurrent-agents 20 --max-model-cost-usd 500"],
  },
  "organizations.archive": { command: "org archive", args: ["org_id"], confirms: true },
  "organizations.restore": { command: "org restore", args: ["org_id"] },
  "organizations.transfer": {
    command: "org transfer",
    args: ["user_id"],
    confirms: true,
    examples: ["org transfer grace@example.com --org acme"],
  },
  "organizations.permissions": {
    command: "org permissions",
    args: ["org_id?"],
    examples: ["org permissions acme --check agent:run"],
  },
  "organizations.slugAvailability": { command: "org check-slug", args: ["slug"] },

  "members.list": {
    command: "member list",
    columns: ["display_name", "email", "role_name", "joined_at", "id"],
  },
  "members.add": {
    command: "member add",
    examples: ["member add --user 0192… --role developer"],
  },
  "members.get": { command: "member show" },
  "members.update": {
    command: "member update",
    args: ["member_id", "role_id"],
    examples: ["member update grace@example.com admin"],
  },
  "members.remove": { command: "member remove", confirms: true },
  "invitations.list": {
    command: "invitation list",
    columns: ["email", "role_name", "status", "expires_at", "id"],
  },
  "invitations.create": {
    command: "invitation create",
    args: ["email", "role_id"],
    examples: ["invitation create grace@example.com developer"],
  },
  "invitations.read": { command: "invitation show" },
  "invitations.revoke": { command: "invitation revoke" },
  "invitations.resend": { command: "invitation resend" },
  "invitations.get": { command: "invitation look-up", args: ["token"] },
  "invitations.accept": { command: "invitation accept", args: ["token"] },

  "roles.list": {
    command: "role list",
    columns: ["name", "description", "is_system", "permissions", "id"],
  },
  "roles.create": {
    command: "role create",
    args: ["name"],
    examples: ["role create reviewer --permissions project:read --permissions agent:read"],
  },
  "roles.get": { command: "role show" },
  "roles.update": { command: "role update" },
  "roles.remove": { command: "role delete", confirms: true },
  "roles.permissions": { command: "role permissions", columns: ["name", "description"] },

  "projects.list": {
    command: "project list",
    columns: ["slug", "name", "status", "default_branch", "updated_at"],
  },
  "projects.create": {
    command: "project create",
    args: ["name"],
    waits: true,
    examples: [
      "project create shop",
      "project create shop --import-url https://git.example.com/shop.git",
    ],
  },
  "projects.get": { command: "project show" },
  "projects.update": { command: "project update" },
  "projects.delete": { command: "project delete", confirms: true },
  "projects.branches": {
    command: "project branches",
    columns: ["name", "commit_sha", "is_default", "subject"],
  },
  "projects.files": {
    command: "project files",
    columns: ["path"],
    examples: ["project files shop --q 'order form'"],
  },
  "upstreams.fetch": { command: "project fetch" },
  "upstreams.cancelFetch": { command: "project cancel-fetch" },
  "upstreams.push": { command: "project push" },
  "upstreams.setCredential": {
    command: "project set-credential",
    examples: ['project set-credential shop --body \'{"kind": "https_token", "token": "…"}\''],
  },
  "upstreams.linkRepository": {
    command: "project link-repository",
    args: ["project_id", "forge_id", "repository"],
    examples: ["project link-repository shop github.com acme/shop"],
  },
  "upstreams.removeCredential": { command: "project remove-credential", confirms: true },
  "upstreams.trustHostKey": { command: "project trust-host-key", args: ["project_id", "host_key"] },
  "environments.get": { command: "project environment" },
  "environments.set": {
    command: "project set-environment",
    examples: [
      "project set-environment shop --setup-script 'npm ci' --cache-key-files package-lock.json",
    ],
  },
  "environments.builds": { command: "project builds", columns: ["id", "status", "created_at"] },
  "environments.build": { command: "project build" },
  "graph.get": { command: "project graph" },
  "radar.project": written("conflicts"),
  "radar.workspace": { command: "workspace conflicts" },

  ...taskCommands,
  ...automationCommands,
  ...reviewCommands,

  "agents.list": {
    command: "agent list",
    columns: ["name", "status", "task", "workspace_branch", "updated_at", "id"],
    examples: ["agent list", "agent list --project shop --status running"],
  },
  "agents.create": {
    command: "agent create",
    args: ["name"],
    examples: [
      `agent create worker-1 --project shop --task '{"title": "Sign in", "text": "Add OAuth"}'`,
    ],
  },
  "agents.get": { command: "agent show" },
  "agents.update": { command: "agent update" },
  "agents.delete": { command: "agent delete", confirms: true },
  "agents.clearHome": { command: "agent clear-home", confirms: true },
  "runs.create": written("agent start"),
  "runs.list": {
    command: "run list",
    args: ["agent_id?"],
    ofOrganization: "runs.listAll",
    columns: ["id", "status", "preset", "command", "exit_code", "started_at", "runtime_seconds"],
    examples: ["run list --status queued", "run list worker-1 --status failed"],
  },
  "runs.listAll": byAgent,
  "runs.timeline": {
    command: "run timeline",
    columns: ["id", "agent_name", "status", "started_at", "ended_at"],
    examples: ["run timeline --since 2026-11-28T00:00:00Z"],
  },
  "runs.get": { command: "run show", examples: ["run show worker-1"] },
  "runs.logs": written("logs"),
  "runs.egress": {
    command: "run egress",
    columns: ["host", "port", "decision", "reason", "bytes_sent", "bytes_received", "at"],
  },
  "runs.heartbeat": { command: "run heartbeat" },
  "runs.stop": { command: "run stop", examples: ["run stop worker-1"] },
  "agentSessions.create": {
    command: "session start",
    args: ["agent_id"],
    examples: ["session start worker-1 --preset claude-code --prompt 'Fix the login'"],
  },
  "agentSessions.list": {
    command: "session list",
    args: ["agent_id?"],
    ofOrganization: "agentSessions.listAll",
    columns: ["id", "title", "status", "preset", "created_at"],
    examples: ["session list", "session list worker-1"],
  },
  "agentSessions.listAll": byAgent,
  "agentSessions.search": { command: "session search", args: ["agent_id", "q"] },
  "agentSessions.get": { command: "session show" },
  "agentSessions.events": written("logs --session"),
  "agentSessions.prompt": {
    command: "session prompt",
    args: ["session_id", "text"],
    examples: ["session prompt worker-1 'Now write the tests'"],
  },
  "agentSessions.cancel": { command: "session cancel" },
  "agentSessions.answer": {
    command: "session answer",
    args: ["session_id", "request_id", "option_id"],
  },
  "agentSessions.update": { command: "session update" },
  "agentSessions.close": { command: "session close" },
  "sandbox.get": { command: "installation sandbox" },
  "presets.list": {
    command: "installation presets",
    columns: ["name", "title", "available", "reason"],
  },

  "usage.get": {
    command: "usage show",
    examples: ["usage show --by person", "usage show --by agent", "usage show --format csv"],
  },
  "usage.disk": { command: "usage disk" },
  "usage.statements": {
    command: "usage statements",
    columns: ["period", "status", "agents", "runs"],
  },
  "usage.statement": { command: "usage statement" },

  "workspaces.ofProject": {
    command: "workspace list",
    columns: ["agent_name", "branch_name", "status", "base_branch", "updated_at"],
  },
  "workspaces.create": {
    command: "workspace create",
    examples: [
      "workspace create worker-1",
      "workspace create cleo --workspace-type remote",
      "workspace create dave --workspace-type kubernetes",
    ],
  },
  "workspaces.get": { command: "workspace show" },
  "workspaces.update": { command: "workspace update" },
  "workspaces.archive": { command: "workspace archive", confirms: true },
  "workspaces.restore": { command: "workspace restore" },
  "workspaces.changes": written("diff"),
  "workspaces.createCommit": {
    command: "workspace commit",
    args: ["agent_id"],
    examples: ["workspace commit worker-1 --commit-type manual --message 'Add the login'"],
  },
  "workspaces.commits": {
    command: "workspace commits",
    columns: ["commit_sha", "commit_type", "message", "additions", "deletions", "created_at"],
  },
  "workspaces.commit": { command: "workspace show-commit" },
  "workspaces.diff": written("diff --commit"),
  "workspaces.sync": { command: "workspace sync" },
  "previews.create": {
    command: "workspace preview",
    examples: [`workspace preview worker-1 --body '{"act": "sync"}'`],
  },
  "workspaces.mergesOfProject": {
    command: "merge list",
    columns: [
      "subject",
      "agent_name",
      "target_branch",
      "status",
      "total_conflicts",
      "created_at",
      "id",
    ],
    examples: ["merge list shop"],
  },
  "workspaces.createMerge": written("merge"),
  "workspaces.previewMerge": written("merge --preview"),
  "workspaces.previewConflicts": { command: "merge preview-conflicts" },
  "workspaces.merges": {
    command: "merge history",
    columns: ["subject", "kind", "target_branch", "status", "total_conflicts", "created_at", "id"],
  },
  "workspaces.merge": { command: "merge show" },
  "workspaces.mergeChanges": { command: "merge changes" },
  "workspaces.mergeConflicts": { command: "merge conflicts" },
  "workspaces.revertMerge": { command: "merge revert" },
  "workspaces.restoreVersion": { command: "merge restore" },

  "mergeQueue.checks": {
    command: "check list",
    columns: ["name", "command", "timeout_seconds", "network"],
  },
  "mergeQueue.check": { command: "check show" },
  "mergeQueue.setCheck": {
    command: "check set",
    examples: ["check set shop test --command npm --command test"],
  },
  "mergeQueue.deleteCheck": { command: "check delete", confirms: true },
  "mergeQueue.list": {
    command: "queue list",
    columns: ["id", "agent_name", "target_branch", "status", "position", "created_at"],
  },
  "mergeQueue.get": { command: "queue show" },
  "mergeQueue.cancel": { command: "queue cancel" },
  "mergeQueue.approve": { command: "queue approve" },

  "protectionChanges.list": {
    command: "protection list",
    columns: ["id", "status", "required_approvals", "reason", "created_at"],
  },
  "protectionChanges.propose": { command: "protection propose" },
  "protectionChanges.get": { command: "protection show" },
  "protectionChanges.approve": { command: "protection approve" },
  "protectionChanges.withdraw": { command: "protection withdraw" },

  "overview.attention": {
    command: "attention list",
    columns: ["type", "agent_name", "project_name", "at", "key"],
  },
  "overview.dismiss": { command: "attention dismiss" },
  "overview.undismiss": { command: "attention undismiss" },
  "overview.work": written("top"),
  "overview.results": { command: "usage results" },

  "organizationSecrets.list": {
    command: "secret list",
    columns: ["name", "kind", "provider", "updated_at"],
    ofProject: "projectSecrets.list",
    examples: ["secret list", "secret list --project shop"],
  },
  "organizationSecrets.get": { command: "secret show", ofProject: "projectSecrets.get" },
  "organizationSecrets.set": {
    command: "secret set",
    ofProject: "projectSecrets.set",
    defaults: { kind: "variable" },
    stdin: "value",
    examples: [
      "secret set API_TOKEN < token.txt",
      "secret set ANTHROPIC --kind model --provider anthropic < key.txt",
    ],
  },
  "organizationSecrets.delete": {
    command: "secret delete",
    ofProject: "projectSecrets.delete",
    confirms: true,
  },
  "projectSecrets.list": byOrganization,
  "projectSecrets.get": byOrganization,
  "projectSecrets.set": byOrganization,
  "projectSecrets.delete": byOrganization,

  "apiKeys.list": {
    command: "key list",
    columns: ["name", "key_hint", "status", "scopes", "last_used_at", "expires_at", "id"],
  },
  "apiKeys.create": {
    command: "key create",
    args: ["name"],
    examples: [
      "key create ci --expires-in-days 90 --scopes org:acme:agent:run",
      "key create worker-1 --agent worker-1",
    ],
  },
  "apiKeys.get": { command: "key show" },
  "apiKeys.update": { command: "key update" },
  "apiKeys.revoke": { command: "key revoke", confirms: true },
  "apiKeys.rotate": {
    command: "key rotate",
    examples: ["key rotate ci --grace-period-seconds 3600"],
  },
  "apiKeys.usage": { command: "key usage" },
  "apiKeys.narrow": { command: "key narrow", confirms: true },
  "apiKeys.verify": { command: "key verify", stdin: "key", args: [] },
  "apiKeys.revokeLeaked": { command: "key revoke-leaked", stdin: "key", args: [] },
  "apiKeys.listOfOrganization": {
    command: "key list-all",
    columns: ["name", "owner.name", "key_hint", "status", "last_used_at", "id"],
  },
  "apiKeys.shutOut": { command: "key shut-out", confirms: true },

  "serviceAccounts.list": {
    command: "service-account list",
    columns: ["name", "role_name", "is_active", "active_keys", "last_used_at", "id"],
  },
  "serviceAccounts.create": {
    command: "service-account create",
    args: ["name"],
    examples: ["service-account create ci --role member --description 'Builds of GitHub'"],
  },
  "serviceAccounts.get": { command: "service-account show" },
  "serviceAccounts.update": {
    command: "service-account update",
    examples: ["service-account update ci --no-is-active"],
  },
  "serviceAccounts.delete": { command: "service-account delete", confirms: true },
  "serviceAccounts.listKeys": {
    command: "service-account keys",
    columns: ["name", "key_hint", "status", "scopes", "last_used_at", "expires_at", "id"],
  },
  "serviceAccounts.createKey": {
    command: "service-account create-key",
    args: ["service_account_id", "name"],
    examples: [
      "service-account create-key ci github --expires-in-days 90 --scopes org:acme:agent:run",
    ],
  },
  "serviceAccounts.getKey": { command: "service-account key" },
  "serviceAccounts.revokeKey": { command: "service-account revoke-key", confirms: true },
  "serviceAccounts.rotateKey": {
    command: "service-account rotate-key",
    examples: ["service-account rotate-key ci KEY --grace-period-seconds 3600"],
  },

  "forges.list": {
    command: "forge list",
    columns: ["name", "kind", "url", "account", "status", "projects", "id"],
  },
  "forges.create": {
    command: "forge add",
    args: ["kind", "url"],
    // A credential stays out of the history of the shell.
    stdin: "token",
    examples: [
      "forge add github https://github.com < token.txt",
      "forge add gitlab https://gitlab.example.com --name 'Our GitLab' < token.txt",
    ],
  },
  "forges.get": { command: "forge show" },
  "forges.update": {
    command: "forge update",
    examples: ["forge update github.com --name 'The forge'"],
  },
  "forges.rotateWebhookSecret": { command: "forge rotate-secret", confirms: true },
  "forges.delete": { command: "forge remove", confirms: true },
  "forges.repositories": {
    command: "forge repositories",
    columns: ["name", "is_private", "default_branch", "url"],
    examples: ["forge repositories github.com --q shop"],
  },
  "forgeDeliveries.list": {
    command: "forge deliveries",
    columns: ["received_at", "event", "repository", "number", "login", "decision", "reason", "id"],
    examples: ["forge deliveries github.com", "forge deliveries github.com --status ignored"],
  },
  "forgeDeliveries.replay": { command: "forge replay" },
  "forgePeople.list": {
    command: "forge people",
    columns: ["login", "user_name", "how", "user_id"],
  },
  "forgePeople.set": {
    command: "forge set-person",
    args: ["forge_id", "login", "user_id"],
    examples: ["forge set-person github.com ann ann@example.com"],
  },
  "forgePeople.remove": { command: "forge remove-person", confirms: true },
  "forgePeople.accounts": {
    command: "forge accounts",
    columns: ["name", "kind", "url", "logins", "forge_id"],
  },
  "forgePeople.link": {
    command: "forge link",
    stdin: "token",
    examples: ["forge link github.com < token.txt"],
  },
  "githubApps.startLink": inBrowser,
  "githubApps.manifest": inBrowser,
  "githubApps.callback": inBrowser,
  "githubApps.oauthCallback": inBrowser,
  "forgePeople.unlink": { command: "forge unlink", confirms: true },
  "pullRequests.list": {
    command: "pr list",
    columns: ["number", "state", "title", "review_decision", "head", "task_number", "url"],
    examples: ["pr list shop", "pr list shop --state open"],
  },
  "pullRequests.open": {
    command: "pr open",
    examples: ["pr open 12", "pr open shop#12 --draft --labels bug --reviewers grace"],
  },
  "pullRequests.get": { command: "pr show", examples: ["pr show 12"] },
  "pullRequests.refresh": { command: "pr refresh" },
  "pullRequests.update": {
    command: "pr update",
    examples: ["pr update 12 --title 'Round half cents'"],
  },
  "pullRequests.ready": { command: "pr ready" },
  "pullRequests.merge": { command: "pr merge", examples: ["pr merge 12 --method squash"] },
  "pullRequests.close": { command: "pr close", confirms: true },

  "webhooks.eventTypes": {
    command: "webhook event-types",
    columns: ["name", "permission", "description"],
  },
  "webhooks.list": {
    command: "webhook list",
    columns: ["url", "events", "enabled", "disabled_reason", "id"],
  },
  "webhooks.create": {
    command: "webhook create",
    args: ["url"],
    examples: ["webhook create https://ci.example.com/hook --events run.failed --events 'merge.*'"],
  },
  "webhooks.get": { command: "webhook show" },
  "webhooks.update": { command: "webhook update" },
  "webhooks.delete": { command: "webhook delete", confirms: true },
  "webhooks.rotateSecret": { command: "webhook rotate-secret", confirms: true },
  "webhooks.test": { command: "webhook test" },
  "webhooks.deliveries": {
    command: "webhook deliveries",
    columns: ["id", "event_type", "status", "attempts", "created_at"],
  },
  "webhooks.delivery": { command: "webhook delivery" },
  "webhooks.redeliver": { command: "webhook redeliver" },

  "audit.list": {
    command: "audit list",
    columns: ["at", "actor.name", "action", "target.type", "target.name"],
    examples: ["audit list --action member.added --limit 20"],
  },
  "audit.export": {
    command: "audit export",
    examples: ["audit export --since 2026-11-01T00:00:00Z > audit.ndjson"],
  },
  "events.stream": written("events"),

  "admin.users": {
    command: "installation users",
    columns: ["email", "full_name", "is_active", "is_super_admin", "last_login_at", "id"],
  },
  "admin.user": { command: "installation user" },
  "admin.disable": { command: "installation disable-user", confirms: true },
  "admin.enable": { command: "installation enable-user" },
  "admin.removeSecondFactor": { command: "installation remove-second-factor", confirms: true },
  "admin.signOut": { command: "installation sign-out-user", confirms: true },
  "admin.promote": { command: "installation promote-user", confirms: true },
  "admin.demote": { command: "installation demote-user", confirms: true },
  "admin.resetPassword": { command: "installation reset-password", confirms: true },
  "admin.export": { command: "installation export-user" },
  "admin.delete": { command: "installation delete-user", confirms: true },
  "admin.usage": { command: "installation usage" },
  "admin.organizations": {
    command: "installation organizations",
    columns: ["slug", "name", "is_active", "members", "agents", "running_agents"],
  },
  "maintenance.status": { command: "installation maintenance" },
  "maintenance.get": { reason: "omoi installation maintenance shows the same." },
  "maintenance.start": {
    command: "installation start-maintenance",
    args: ["message"],
    examples: ["installation start-maintenance 'Back at 18:00 UTC'"],
  },
  "maintenance.end": { command: "installation end-maintenance" },
  "nodes.list": {
    command: "installation nodes",
    columns: ["name", "status", "projects", "running", "version", "id"],
  },
  "nodes.get": { command: "installation node" },
  "nodes.projects": {
    command: "installation node-projects",
    columns: ["organization.slug", "slug", "agents", "running", "move.state", "move.to.name", "id"],
  },
  "nodes.drain": { command: "installation drain-node", confirms: true },
  "nodes.resume": { command: "installation resume-node" },
  "runners.list": {
    command: "installation runners",
    columns: ["name", "status", "running", "slots", "labels", "last_seen_at", "id"],
  },
  "runners.create": {
    command: "installation register-runner",
    args: ["name"],
    examples: ["installation register-runner gpu-1"],
  },
  "runners.get": { command: "installation runner" },
  "runners.update": {
    command: "installation update-runner",
    examples: ["installation update-runner 01a2… --paused"],
  },
  "runners.delete": { command: "installation remove-runner", confirms: true },
  "runners.available": {
    command: "org runners",
    args: ["org_id?"],
    columns: ["name", "status", "running", "slots", "labels", "last_seen_at", "id"],
  },
  "projectMoves.start": { command: "installation move-project" },
  "projectMoves.get": { command: "installation move" },
  "projectMoves.cancel": { command: "installation cancel-move", confirms: true },
  "doctor.request": written("doctor"),
  "doctor.run": written("doctor"),
  "admin.auditEvents": {
    command: "installation audit",
    columns: ["at", "actor.name", "action", "target.type", "target.name"],
  },
};

/** The groups of commands, as the help shows them. */
export const groups: Record<string, string> = {
  org: "Organizations: their limits, their owner, their archive",
  project: "Repositories, their upstreams and environments",
  task: "Tasks: what you want done, from one line to a merge",
  review: "Reviews: comments on lines, approvals, suggestions",
  agent: "Agents: create, start, stop, delete",
  workspace: "Isolated git workspaces of agents",
  run: "Commands and presets that agents have run",
  session: "Conversations with agents",
  merge: "Merge the work of an agent, and look at merges",
  queue: "The merge queue of a project",
  check: "The checks that merges have to pass",
  protection: "Proposed changes of protected branches and checks",
  member: "People and agents of an organization",
  invitation: "Invitations to an organization",
  role: "Roles and their permissions",
  secret: "Secrets and model keys for runs",
  key: "API keys",
  "service-account": "Service accounts and their keys",
  forge: "Connections to GitHub, GitLab, Gitea and Forgejo",
  pr: "Pull requests: the work of tasks on a forge",
  automation: "Automations: what starts work without you, and why it did",
  webhook: "Webhooks and their deliveries",
  notification: "What you are notified of, and how",
  attention: "What waits for a person",
  usage: "Usage, budgets and statements",
  audit: "The audit log of an organization",
  account: "Your profile and sessions",
  installation: "The whole installation (super admins), its sandbox and presets",
};
