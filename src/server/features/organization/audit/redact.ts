import { sql } from "drizzle-orm";
import type { AuditEvent } from "#shared/api/organization/audit.js";
import { deletedUser } from "#shared/organization/audit.js";
import type { Queryable } from "../../../db/connection/connect.js";

/** Fields of an event that may contain a person's name or address. */
const personal = new Set(["email", "full_name", "display_name", "name"]);

/**
 * Replaces the names of deleted users by "Deleted user" in responses. The stored events keep the hashed
 * content.
 */
export async function redactDeleted(
  tx: Queryable,
  orgId: string,
  events: readonly AuditEvent[],
): Promise<AuditEvent[]> {
  const actors = events.flatMap(({ actor }) => (actor.type === "user" ? (actor.id ?? []) : []));
  const targets = events.map(({ target }) => target.id);
  const { rows } = await tx.execute<{ id: string }>(sql`
    select id from users where deleted_at is not null and id = any(${sql.param(actors)}::uuid[])
    union all select target_id from redacted_audit_targets
      where org_id = ${orgId} and target_id = any(${sql.param(targets)}::uuid[])`);
  const redacted = new Set(rows.map(({ id }) => id));
  if (redacted.size === 0) return [...events];
  return events.map((event) => {
    const { actor, target, changes } = event;
    const isTarget = redacted.has(target.id);
    return {
      ...event,
      actor: redacted.has(actor.id ?? "") ? { ...actor, name: deletedUser } : actor,
      target: isTarget ? { ...target, name: deletedUser } : target,
      changes: isTarget ? redactChanges(changes) : changes,
    };
  });
}

function redactChanges(changes: AuditEvent["changes"]): AuditEvent["changes"] {
  const redact = (value: AuditEvent["changes"][string]["to"]) => value && deletedUser;
  return Object.fromEntries(
    Object.entries(changes).map(([field, { from, to }]) => [
      field,
      personal.has(field) ? { from: redact(from), to: redact(to) } : { from, to },
    ]),
  );
}
