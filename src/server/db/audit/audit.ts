import { createHash } from "node:crypto";
import type pg from "pg";
import type { AuditEvent } from "#shared/api/audit.js";
import { hashedText, noHash, type AuditAction } from "#shared/audit.js";
import { isoInstant, newId } from "../tables/columns.js";

/** Who changes something and through what: a request's context is one. Without an actor it is the server itself. */
export interface Origin {
  readonly actor: {
    readonly userId: string;
    readonly agent: { readonly id: string; readonly name: string } | null;
    /** An API key, or the token of a run, which the log does not name: it names the agent. */
    readonly key: { readonly id: string; readonly ofRun?: boolean } | null;
  } | null;
  readonly ip: string | null;
  readonly requestId: string | null;
}

/** What the server does of its own accord, such as finishing an import. */
export const serverItself: Origin = { actor: null, ip: null, requestId: null };

/** The origin alone, of a context that holds more: to be kept with work that a restart may finish. */
export function originOf({ actor, ip, requestId }: Origin): Origin {
  const key = actor?.key && !actor.key.ofRun ? { id: actor.key.id } : null;
  const agent = actor?.agent ? { id: actor.agent.id, name: actor.agent.name } : null;
  return { actor: actor && { userId: actor.userId, agent, key }, ip, requestId };
}

/** An event as the code that makes the change tells it. */
export interface Change {
  action: AuditAction;
  target: AuditEvent["target"];
  changes?: AuditEvent["changes"];
}

/** Tells of a change, to be written at the end of the transaction that makes it. */
export type AuditWriter = (change: Change) => void;

/** The fields that differ, before and after; null stands for what is not there. */
export function differences<Row extends object>(
  before: Row | null,
  after: Row | null,
  fields: readonly (keyof Row & string)[],
): AuditEvent["changes"] {
  const changes: AuditEvent["changes"] = {};
  for (const field of fields) {
    const from = (before?.[field] ?? null) as AuditEvent["changes"][string]["from"];
    const to = (after?.[field] ?? null) as AuditEvent["changes"][string]["to"];
    if (JSON.stringify(from) !== JSON.stringify(to)) changes[field] = { from, to };
  }
  return changes;
}

/**
 * Appends events to an organization's chain, in the transaction at hand and as the last thing in it:
 * the chain's lock is taken after all others, so that no two transactions can wait for each other.
 */
export async function appendEvents(
  client: pg.ClientBase,
  orgId: string,
  origin: Origin,
  events: readonly Change[],
): Promise<void> {
  if (events.length === 0) return;
  let { sequence, hash, at, name } = await headOf(client, orgId, origin);
  for (const { action, target, changes } of events) {
    sequence += 1;
    const event = {
      id: newId(),
      sequence,
      at,
      actor: actorOf(origin, name),
      action,
      target,
      ip: origin.ip,
      request_id: origin.requestId,
      changes: changes ?? {},
      previous_hash: hash,
    } satisfies Omit<AuditEvent, "hash">;
    hash = eventHash(orgId, event);
    await client.query({
      name: "append an audit event",
      text: `insert into audit_events
          (id, org_id, sequence, at, actor, action, target, ip, request_id, changes, previous_hash, hash)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`,
      values: [
        event.id,
        orgId,
        sequence,
        at,
        JSON.stringify(event.actor),
        action,
        JSON.stringify(target),
        event.ip,
        event.request_id,
        JSON.stringify(event.changes),
        event.previous_hash,
        hash,
      ],
    });
  }
}

/** The hash of an event, in hex. */
export function eventHash(orgId: string, event: Omit<AuditEvent, "hash">): string {
  return createHash("sha256").update(hashedText(orgId, event)).digest("hex");
}

interface Head {
  sequence: number;
  hash: string;
  at: string;
  /** What the actor is called. */
  name: string;
}

/**
 * Locks the chain until the transaction ends, then reads its end: a statement of its own, to see what came
 * before. An event refers to its organization, whose row is held first: a change of the slug, which waits
 * for the chain with the row in its hands, would else wait for this transaction and this one for it.
 */
async function headOf(client: pg.ClientBase, orgId: string, origin: Origin): Promise<Head> {
  await client.query({
    name: "lock an audit chain",
    text: `with held as materialized (select id from organizations where id = $1::uuid for key share)
      select pg_advisory_xact_lock(hashtextextended('audit ' || $1::text, 0)) from held`,
    values: [orgId],
  });
  const { rows } = await client.query<{
    sequence: string | null;
    hash: string | null;
    at: Date;
    name: string | null;
  }>({
    name: "read the end of an audit chain",
    text: `select last.sequence, last.hash, greatest(clock_timestamp(), last.at)::timestamptz(3) as at,
        (select coalesce(full_name, email) from users where id = $2) as name
      from (select) here left join lateral (
        select sequence, hash, at from audit_events where org_id = $1 order by sequence desc limit 1
      ) last on true`,
    values: [orgId, origin.actor?.userId ?? null],
  });
  const row = rows[0];
  return {
    sequence: Number(row?.sequence ?? 0),
    hash: row?.hash ?? noHash,
    at: isoInstant(row?.at as Date),
    name: origin.actor?.agent?.name ?? row?.name ?? "Omoi",
  };
}

function actorOf({ actor }: Origin, name: string): AuditEvent["actor"] {
  if (!actor) return { type: "system", id: null, name, api_key_id: null };
  const api_key_id = actor.key?.ofRun === true ? null : (actor.key?.id ?? null);
  return actor.agent
    ? { type: "agent", id: actor.agent.id, name, api_key_id }
    : { type: "user", id: actor.userId, name, api_key_id };
}
