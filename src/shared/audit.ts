/** What the audit log tells of: each action with the sentence that follows the actor's name. */
export const auditActions = {
  "organization.created": "created the organization",
  "organization.updated": "changed the organization",
  "organization.limits_changed": "changed the limits",
  "organization.hours_low": "warned that the hours are running out",
  "organization.archived": "archived the organization",
  "organization.restored": "restored the organization",
  "organization.transferred": "handed the organization over",
  "member.added": "added a member",
  "member.role_changed": "changed a member's role",
  "member.removed": "removed a member",
  "member.left": "left the organization",
  "invitation.created": "sent an invitation",
  "invitation.resent": "sent an invitation again",
  "invitation.revoked": "revoked an invitation",
  "invitation.accepted": "accepted an invitation",
  "role.created": "created a role",
  "role.updated": "changed a role",
  "role.deleted": "deleted a role",
  "api_key.created": "created an API key",
  "api_key.updated": "changed an API key",
  "api_key.rotated": "rotated an API key",
  "api_key.revoked": "revoked an API key",
  "api_key.shut_out": "shut an API key out",
  "api_key.leaked": "revoked a leaked API key",
  "api_key.exposed": "kept an API key from being committed",
  "api_key.expiring": "warned that an API key expires",
  "project.created": "created a project",
  "project.imported": "finished an import",
  "project.import_failed": "gave up an import",
  "project.updated": "changed a project",
  "project.upstream_fetched": "fetched from a project's upstream",
  "project.upstream_fetch_cancelled": "cancelled a fetch from a project's upstream",
  "project.upstream_pushed": "pushed to a project's upstream",
  "project.credential_set": "set the credential for a project's upstream",
  "project.credential_removed": "removed the credential for a project's upstream",
  "project.host_key_changed": "changed the host key trusted for a project's upstream",
  "project.deleted": "deleted a project",
  "project.pushed": "pushed to a project",
  "agent.created": "created an agent",
  "agent.updated": "changed an agent",
  "agent.deleted": "terminated an agent",
  "run.started": "had an agent run a command",
  "run.stopped": "stopped a run",
  "workspace.created": "created a workspace",
  "workspace.updated": "changed a workspace",
  "workspace.synced": "brought the base branch into a workspace",
  "workspace.archived": "archived a workspace",
  "workspace.restored": "restored a workspace",
  "merge.created": "merged a workspace",
  "merge.reverted": "reverted a merge",
  "merge.version_restored": "restored the other version of a conflict",
} as const satisfies Record<string, string>;

export type AuditAction = keyof typeof auditActions;
export const auditActionNames = Object.keys(auditActions) as AuditAction[];

/** The hash that the first event of an organization names as the one before it. */
export const noHash = "0".repeat(64);

/**
 * JSON with the members of every object in the order of their names (UTF-16 code units) and no space:
 * the one text of a value that is hashed (RFC 8785, sections 3.2.2 and 3.2.3).
 */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const members = Object.entries(value)
    .filter(([, member]) => member !== undefined)
    .toSorted(([one], [other]) => (one < other ? -1 : 1))
    .map(([name, member]) => `${JSON.stringify(name)}:${canonicalJson(member)}`);
  return `{${members.join(",")}}`;
}

/** What SHA-256 is taken of for an event's `hash`: all of it but the hash, and whose it is. */
export function hashedText(organizationId: string, event: object): string {
  return canonicalJson({ ...event, hash: undefined, organization_id: organizationId });
}

/** What a person is called whose account was deleted. */
export const deletedUser = "Deleted user";
