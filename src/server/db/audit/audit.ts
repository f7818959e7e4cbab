import { createHash } from "node:crypto";
import type pg from "pg";
import type { AuditEvent } from "#shared/api/organization/audit.js";
import { hashInput, genesisHash, type AuditAction } from "#shared/organization/audit.js";
import { isoInstant, newId } from "../tables/columns.js";

/**
 * The author of a change and how the request reached the server; a request context is an `Origin`. A
 * null actor is the server itself.
 */
export interface Origin {
  readonly actor: {
    readonly userId: string;
    readonly agent: { readonly id: string; readonly name: string } | null;
    /** An API key, or a run's token. A run's token is not written to the log: the agent identifies it. */
    readonly key: { readonly id: string; readonly ofRun?: boolean } | null;
  } | null;
  readonly ip: string | null;
  readonly requestId: string | null;
}

/** The origin of changes the server makes on its own, such as finishing an import. */
export const systemOrigin: Origin = { actor: null, ip: null, requestId: null };

/** Returns only the fields of `Origin`, to be stored with work that a restart may have to finish. */
export function originOf({ actor, ip, requestId }: Origin): Origin {
  const key = actor?.key && !actor.key.ofRun ? { id: actor.key.id } : null;
  const agent = actor?.agent ? { id: actor.agent.id, name: actor.agent.name } : null;
  return { actor: actor && { userId: actor.userId, agent, key }, ip, requestId };
}

/** An audit event before the log adds its time, actor and hash. */
export interface Change {
  action: AuditAction;
  target: AuditEvent["target"];
  changes?: AuditEvent["changes"];
  /** By default that of the transaction. */
  origin?: Origin;
}

/** Queues an event, which is written at the end of the transaction that makes the change. */
export type AuditWriter = (change: Change) => void;

/** Returns the fields that differ, with both values. Null stands for an absent value. */
export function diffFields<Row extends object>(
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
 * Appends events to an organization's hash chain, as the last statements of the current transaction,
 * which it adds to `last` (see `TransactionWork`). The chain's lock comes after all other locks, so two
 * transactions cannot deadlock on it.
 */
export async function appendEvents(
  client: pg.ClientBase,
  orgId: string,
  origin: Origin,
  events: readonly Change[],
  last: pg.QueryConfig[],
): Promise<void> {
  if (events.length === 0) return;
  const authors = events.map((event) => event.origin ?? origin);
  let { sequence, hash, at, names } = await headOf(client, orgId, authors);
  for (const [index, { action, target, changes }] of events.entries()) {
    const { actor, ip, requestId } = authors[index] ?? origin;
    sequence += 1;
    const event = {
      id: newId(),
      sequence,
      at,
      actor: actorOf(actor, names),
      action,
      target,
      ip,
      request_id: requestId,
      changes: changes ?? {},
      previous_hash: hash,
    } satisfies Omit<AuditEvent, "hash">;
    hash = eventHash(orgId, event);
    last.push({
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

/** Returns the hash of an event in hex. */
export function eventHash(orgId: string, event: Omit<AuditEvent, "hash">): string {
  return createHash("sha256").update(hashInput(orgId, event)).digest("hex");
}

interface Head {
  sequence: number;
  hash: string;
  at: string;
  /** The authors' kinds and display names, by the id of the user. */
  names: Readonly<Record<string, { kind: "person" | "service"; name: string }>>;
}

/**
 * Locks the chain until the transaction ends, then reads its last event in a separate statement, which
 * sees the events committed before the lock was granted. The organization's row is locked first,
 * because events reference it: a slug change holds the row while it waits for the chain, and would
 * deadlock with a transaction that takes them the other way around.
 */
async function headOf(
  client: pg.ClientBase,
  orgId: string,
  authors: readonly Origin[],
): Promise<Head> {
  const locked = client.query({
    name: "lock an audit chain",
    text: `with held as materialized (select id from organizations where id = $1::uuid for key share)
      select pg_advisory_xact_lock(hashtextextended('audit ' || $1::text, 0)) from held`,
    values: [orgId],
  });
  const reading = client.query<{
    sequence: string | null;
    hash: string | null;
    at: Date;
    names: Head["names"] | null;
  }>({
    name: "read the end of an audit chain",
    text: `select last.sequence, last.hash, greatest(clock_timestamp(), last.at)::timestamptz(3) as at,
        (select json_object_agg(id, json_build_object('kind', kind, 'name', coalesce(full_name, email)))
          from users
          where id = any($2::uuid[])) as names
      from (select) here left join lateral (
        select sequence, hash, at from audit_events where org_id = $1 order by sequence desc limit 1
      ) last on true`,
    values: [orgId, [...new Set(authors.flatMap(({ actor }) => actor?.userId ?? []))]],
  });
  // Sent together; PostgreSQL runs the second one after the lock was granted.
  const [, { rows }] = await Promise.all([locked, reading]);
  const row = rows[0];
  return {
    sequence: Number(row?.sequence ?? 0),
    hash: row?.hash ?? genesisHash,
    at: isoInstant(row?.at as Date),
    names: row?.names ?? {},
  };
}

function actorOf(actor: Origin["actor"], names: Head["names"]): AuditEvent["actor"] {
  if (!actor) return { type: "system", id: null, name: "Omoi", api_key_id: null };
  const api_key_id = actor.key?.ofRun === true ? null : (actor.key?.id ?? null);
  const { agent, userId } = actor;
  if (agent) return { type: "agent", id: agent.id, name: agent.name, api_key_id };
  const { kind, name } = names[userId] ?? { kind: "person", name: "Omoi" };
  return { type: kind === "service" ? "service_account" : "user", id: userId, name, api_key_id };
}
