/** The actions of the audit log, each with the predicate that follows the actor's name. */
export const auditActions = {
  "organization.created": "created the organization",
  "organization.updated": "changed the organization",
  "organization.limits_changed": "changed the limits",
  "organization.hours_low": "warned that run hours are running out",
  "organization.archived": "archived the organization",
  "organization.restored": "restored the organization",
  "organization.transferred": "transferred the organization",
  "member.added": "added a member",
  "member.role_changed": "changed a member's role",
  "member.removed": "removed a member",
  "member.left": "left the organization",
  "invitation.created": "invited a person",
  "invitation.resent": "resent an invitation",
  "invitation.revoked": "revoked an invitation",
  "invitation.accepted": "accepted an invitation",
  "role.created": "created a role",
  "role.updated": "changed a role",
  "role.deleted": "deleted a role",
  "api_key.created": "created an API key",
  "api_key.updated": "changed an API key",
  "api_key.rotated": "rotated an API key",
  "api_key.revoked": "revoked an API key",
  "api_key.shut_out": "blocked an API key",
  "api_key.leaked": "revoked a leaked API key",
  "api_key.exposed": "kept an API key out of a commit",
  "api_key.expiring": "warned about an expiring API key",
  "project.created": "created a project",
  "project.imported": "finished an import",
  "project.import_failed": "failed an import",
  "project.updated": "changed a project",
  "project.upstream_fetched": "fetched from a project's upstream",
  "project.upstream_fetch_cancelled": "canceled a fetch from a project's upstream",
  "project.upstream_pushed": "pushed to a project's upstream",
  "project.credential_set": "set the credential for a project's upstream",
  "project.credential_removed": "removed the credential for a project's upstream",
  "project.host_key_changed": "changed the host key trusted for a project's upstream",
  "project.set_back": "set a project back to a backup",
  "project.deleted": "deleted a project",
  "project.pushed": "pushed to a project",
  "task.created": "created a task",
  "task.updated": "changed a task",
  "task.attempted": "started an attempt at a task",
  "task.attempt_chosen": "chose an attempt at a task",
  "task.prompted": "sent a prompt to a task",
  "task.stopped": "stopped the work on a task",
  "task.released": "released a task",
  "task.cancelled": "canceled a task",
  "automation.created": "created an automation",
  "automation.updated": "changed an automation",
  "automation.run": "fired an automation by hand",
  "automation.paused": "paused an automation",
  "automation.token_rotated": "replaced the address of an automation",
  "automation.deleted": "deleted an automation",
  "review.published": "reviewed the changes of a task",
  "opinion.requested": "asked for a second opinion",
  "opinion.cancelled": "canceled a second opinion",
  "opinion.dismissed": "dismissed a second opinion",
  "thread.replied": "replied in a thread",
  "thread.resolved": "resolved a thread",
  "thread.reopened": "opened a thread again",
  "thread.suggestion_applied": "applied a suggestion",
  "agent.created": "created an agent",
  "agent.updated": "changed an agent",
  "agent.home_cleared": "cleared the home of an agent",
  "agent.deleted": "terminated an agent",
  "run.started": "ran a command as an agent",
  "run.stopped": "stopped a run",
  "workspace.created": "created a workspace",
  "workspace.updated": "changed a workspace",
  "workspace.synced": "merged the base branch into a workspace",
  "workspace.archived": "archived a workspace",
  "workspace.restored": "restored a workspace",
  "workspace.set_back": "set a workspace back to a backup",
  "project.check_set": "changed a check of a project",
  "project.check_deleted": "deleted a check of a project",
  "project.protection_proposed": "proposed a change of protection",
  "project.protection_approved": "approved a change of protection",
  "project.protection_applied": "applied a change of protection",
  "project.protection_ended": "ended a change of protection",
  "project.environment_set": "changed the environment of a project",
  "project.environment_built": "built the environment of a project",
  "secret.set": "set a secret",
  "secret.deleted": "deleted a secret",
  "service_account.created": "created a service account",
  "service_account.updated": "changed a service account",
  "service_account.deactivated": "deactivated a service account",
  "service_account.reactivated": "reactivated a service account",
  "service_account.deleted": "deleted a service account",
  "forge.created": "connected a forge",
  "forge.updated": "changed the connection to a forge",
  "forge.deleted": "deleted the connection to a forge",
  "forge.delivery_replayed": "had an event of a forge worked on again",
  "forge.person_set": "said whom a login of a forge belongs to",
  "forge.person_linked": "linked an account on a forge",
  "forge.person_removed": "removed a login of a forge",
  "project.repository_linked": "linked a project to a repository",
  "pull_request.opened": "opened a pull request",
  "pull_request.updated": "changed a pull request",
  "pull_request.merged": "merged a pull request",
  "pull_request.rewritten": "took over a branch that was rewritten on the forge",
  "pull_request.closed": "closed a pull request",
  "webhook.created": "created a webhook",
  "webhook.updated": "changed a webhook",
  "webhook.secret_rotated": "rotated the secret of a webhook",
  "webhook.disabled": "disabled a failing webhook",
  "webhook.deleted": "deleted a webhook",
  "merge_request.created": "queued a merge",
  "merge_request.approved": "approved a queued merge",
  "merge_request.cancelled": "canceled a queued merge",
  "merge_request.rejected": "rejected a queued merge",
  "merge.created": "merged a workspace",
  "merge.reverted": "reverted a merge",
  "merge.version_restored": "restored the losing version of a conflict",
} as const satisfies Record<string, string>;

export type AuditAction = keyof typeof auditActions;
export const auditActionNames = Object.keys(auditActions) as AuditAction[];

/** The previous hash of an organization's first event. */
export const genesisHash = "0".repeat(64);

/**
 * Canonical JSON: members sorted by name (UTF-16 code units), no whitespace. The input of hashes
 * (RFC 8785, sections 3.2.2 and 3.2.3).
 */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const members = Object.entries(value)
    .filter(([, member]) => member !== undefined)
    .toSorted(([left], [right]) => (left < right ? -1 : 1))
    .map(([name, member]) => `${JSON.stringify(name)}:${canonicalJson(member)}`);
  return `{${members.join(",")}}`;
}

/**
 * Returns the SHA-256 input for an event's `hash`: the event without the hash, and its
 * organization.
 */
export function hashInput(organizationId: string, event: object): string {
  return canonicalJson({ ...event, hash: undefined, organization_id: organizationId });
}

/** The display name of users whose account was deleted. */
export const deletedUser = "Deleted user";
