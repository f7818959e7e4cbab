import { createHash } from "node:crypto";
import { sql } from "drizzle-orm";
import type { InstallationEvent } from "#shared/api/operation/admin.js";
import { deletedUser, hashInput, genesisHash } from "#shared/organization/audit.js";
import { isoInstant, newId } from "../tables/columns.js";
import type { Queryable } from "../queryable.js";

/**
 * The author of a change to the installation: a super admin through the API, or an operator on the
 * command line.
 */
export interface InstallationOrigin {
  readonly actor: { readonly userId: string } | { readonly operator: string };
  readonly ip: string | null;
  readonly requestId: string | null;
}

/** An installation event before the log adds its time, actor and hash. */
export type InstallationChange = Pick<InstallationEvent, "action" | "target" | "changes">;

/**
 * Appends an event to the installation's log in the current transaction. Its lock comes after row locks
 * and before the locks of organizations' logs.
 */
export async function recordInstallationEvent(
  tx: Queryable,
  { actor, ip, requestId }: InstallationOrigin,
  change: InstallationChange,
): Promise<void> {
  await tx.execute(sql`select pg_advisory_xact_lock(hashtextextended('installation audit', 0))`);
  const userId = "userId" in actor ? actor.userId : null;
  const { rows } = await tx.execute<Head>(sql`
    select last.sequence, last.hash, greatest(clock_timestamp(), last.at)::timestamptz(3) as at,
      (select coalesce(full_name, email) from users where id = ${userId}) as name
    from (select) here left join lateral (
      select sequence, hash, at from installation_events order by sequence desc limit 1) last on true`);
  const head = rows[0] as Head;
  const event: Omit<InstallationEvent, "hash"> = {
    id: newId(),
    sequence: Number(head.sequence ?? 0) + 1,
    at: isoInstant(head.at),
    actor:
      "userId" in actor
        ? { type: "user", id: actor.userId, name: head.name ?? "" }
        : { type: "operator", id: null, name: actor.operator },
    ...change,
    ip,
    request_id: requestId,
    previous_hash: head.hash ?? genesisHash,
  };
  await tx.execute(sql`
    insert into installation_events
      (id, sequence, at, actor, action, target, ip, request_id, changes, previous_hash, hash)
    values (${event.id}, ${event.sequence}, ${event.at}, ${JSON.stringify(event.actor)}::jsonb,
      ${event.action}, ${event.target && JSON.stringify(event.target)}::jsonb, ${event.ip},
      ${event.request_id}, ${JSON.stringify(event.changes)}::jsonb, ${event.previous_hash},
      ${hashOf(event)})`);
}

interface Head extends Record<string, unknown> {
  sequence: string | null;
  hash: string | null;
  at: string;
  name: string | null;
}

/** Returns the hash of an event in hex. */
function hashOf(event: Omit<InstallationEvent, "hash">): string {
  return createHash("sha256").update(hashInput("installation", event)).digest("hex");
}

const columns = sql`id, sequence::int as sequence, at, actor, action, target, ip, request_id, changes,
  previous_hash, hash`;

/**
 * Returns the newest events, or those before the sequence `before`. Deleted users appear under a
 * placeholder name.
 */
export async function listInstallationEvents(
  tx: Queryable,
  before: number | null,
  limit: number,
): Promise<InstallationEvent[]> {
  const { rows } = await tx.execute<InstallationEvent & Record<string, unknown>>(sql`
    select ${columns} from installation_events where sequence < ${before ?? 2 ** 31 - 1}
    order by sequence desc limit ${limit}`);
  const people = rows.flatMap(({ actor, target }) => [actor.id, target?.id ?? null]);
  const { rows: gone } = await tx.execute<{ id: string }>(sql`
    select id from users where deleted_at is not null and id = any(${sql.param(people)}::uuid[])`);
  const deleted = new Set(gone.map(({ id }) => id));
  const redacted = <Person extends { id: string | null; name: string }>(person: Person): Person =>
    deleted.has(person.id ?? "") ? { ...person, name: deletedUser } : person;
  return rows.map((row) => ({
    ...row,
    at: isoInstant(row.at),
    actor: redacted(row.actor),
    target: row.target && redacted(row.target),
  }));
}

/** Verifies the hash chain and returns the sequences of altered events, each with a reason. */
export async function verifyInstallationLog(
  tx: Queryable,
): Promise<{ events: number; faults: { sequence: number; reason: string }[] }> {
  const { rows } = await tx.execute<InstallationEvent & Record<string, unknown>>(
    sql`select ${columns} from installation_events order by sequence`,
  );
  const faults: { sequence: number; reason: string }[] = [];
  let [sequence, head] = [0, genesisHash];
  for (const { hash, ...row } of rows) {
    const event = { ...row, at: isoInstant(row.at) };
    const reason =
      event.sequence !== sequence + 1
        ? "the event is missing"
        : event.previous_hash !== head
          ? "it does not link to the previous event"
          : hashOf(event) !== hash
            ? "its content does not match its hash"
            : null;
    if (reason !== null) faults.push({ sequence: sequence + 1, reason });
    [sequence, head] = [event.sequence, hash];
  }
  return { events: rows.length, faults };
}
