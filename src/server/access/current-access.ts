import type pg from "pg";
import { allOf } from "#shared/node/all-of.js";
import { grants, type Permission } from "#shared/permissions.js";
import type { Origin, AuditWriter } from "../db/audit/audit.js";
import { prepared, type Database, type Queryable } from "../db/connection/connect.js";
import { compareLocked, hasCondition, recordChange } from "../db/precondition.js";
import type { AppError } from "../errors.js";
import { invalidToken, type Actor } from "./authenticate.js";
import { accessFrom, type MembershipRow } from "./authorize.js";
import { requireNotArchived, denyMissingPermission, type Access } from "./access.js";
import { sql } from "drizzle-orm";

/** The caller of writes in an organization and the required permission. */
export interface AccessRequirement extends Origin {
  readonly actor: Actor;
  readonly orgId: string;
  /** Null when the work checks permissions itself. */
  readonly permission: Permission | null;
  readonly whenArchived: boolean;
  /** The error when the caller no longer has access to the organization. */
  readonly absent: () => AppError;
}

/** Transactions authorized under the organization's lock. */
export interface AuthorizedWrites {
  /** Reads the caller's current access, in a transaction that already holds the organization's lock. */
  readonly judge: (tx: Queryable) => Promise<Access>;
  /**
   * Runs a change, serialized with others of the organization and audited. The work must use `access`
   * for its decisions. It is retried after a deadlock, so it must have no other effects. `read` starts
   * together with the access check, which saves a round trip under the lock; the work gets its result.
   */
  readonly change: <Result, Read = undefined>(
    work: (tx: Queryable, audit: AuditWriter, access: Access, read: Read) => Promise<Result>,
    read?: (tx: Queryable) => Promise<Read>,
  ) => Promise<Result>;
  /**
   * Runs a write that no other decision depends on; such writes run concurrently. `read` as above, `last`
   * as in `TransactionWork`. The first change of a call that takes a precondition is a `change`.
   */
  readonly write: <Result, Read = undefined>(
    work: (tx: Queryable, access: Access, read: Read, last: pg.QueryConfig[]) => Promise<Result>,
    read?: (tx: Queryable) => Promise<Read>,
  ) => Promise<Result>;
  /** Whether one of these transactions has been committed. */
  readonly hasChanged: () => boolean;
}

/**
 * Re-authorizes the caller in each transaction under the organization's lock: another change may have
 * revoked the permission, membership or credential, or archived the organization.
 * @throws AppError 401; 403; 404 or the given error; 409 `organization_archived`
 */
export function authorizedWrites(db: Database, demand: AccessRequirement): AuthorizedWrites {
  const { actor, orgId, permission, whenArchived, absent } = demand;
  const judge = async (tx: Queryable): Promise<Access> => {
    const access = await readAccess(tx, actor, orgId);
    if (!access) throw absent();
    if (permission !== null) denyMissingPermission(access, permission);
    if (!whenArchived) requireNotArchived(access);
    return access;
  };
  let changed = false;
  const committed = <Result>(result: Result): Result => {
    changed = true;
    recordChange();
    return result;
  };
  return {
    judge,
    hasChanged: () => changed,
    change: <Result, Read>(
      work: (tx: Queryable, audit: AuditWriter, access: Access, read: Read) => Promise<Result>,
      read?: (tx: Queryable) => Promise<Read>,
    ) =>
      db
        .change<Result, readonly [Access, Read | undefined]>(
          orgId,
          demand,
          async (tx, audit, [access, rows]) => {
            await compareLocked(tx, orgId);
            return work(tx, audit, access, rows as Read);
          },
          (tx) => allOf(judge(tx), read?.(tx)),
        )
        .then(committed),
    write: <Result, Read>(
      work: (tx: Queryable, access: Access, read: Read, last: pg.QueryConfig[]) => Promise<Result>,
      read?: (tx: Queryable) => Promise<Read>,
    ) => {
      if (hasCondition()) throw new Error("a precondition needs the exclusive lock");
      return db
        .write<Result, readonly [Access, Read | undefined]>(
          orgId,
          (tx, [access, rows], last) => work(tx, access, rows as Read, last),
          (tx) => allOf(judge(tx), read?.(tx)),
        )
        .then(committed);
    },
  };
}

/** The parts of an actor that decide about its access. */
type Caller = Pick<Actor, "userId" | "agent" | "opinion" | "session" | "key">;

interface AccessRow extends Record<string, unknown> {
  org_id: string;
  archived: boolean;
  membership_id: string;
  is_agent: boolean;
  is_service_account: boolean;
  role: string;
  permissions: string[];
  /** Permissions of the role and its ancestors; null when it inherits from none. */
  inherited: Access["sources"] | null;
  in_force: boolean;
  /** The key's scopes. */
  scopes: string[];
  shut_out_of: string[];
}

/**
 * SQL conditions for the credential `$3` of the user `$2` to be valid; work on a user's behalf has
 * none.
 */
const credentials = {
  session: `exists (select from sessions s where s.id = $3::uuid and s.user_id = $2::uuid
    and s.revoked_at is null and s.expires_at > now())`,
  key: "k.scopes is not null",
  run: `exists (select from runs c where c.id = $3::uuid and c.token_hash is not null
    and c.status = 'running' and c.exited_at is null and c.lease_expires_at > now())`,
  person: "$3::uuid is null",
};

const textFor = (kind: keyof typeof credentials): string => `
  select o.id as org_id, o.archived_at is not null as archived, m.id as membership_id,
    m.agent_id is not null as is_agent, u.kind = 'service' as is_service_account, r.name as role, r.permissions,
    case when r.inherits_from is not null then role_sources(r.id) end as inherited,
    u.is_active and ${credentials[kind]} as in_force
    ${kind === "key" ? ", k.scopes, k.shut_out_of" : ""}
  from organizations o
  join memberships m on m.org_id = o.id and (m.user_id = $2::uuid or m.agent_id = $4::uuid)
  join roles r on r.id = m.role_id
  join users u on u.id = $2::uuid
  ${kind === "key" ? "left join key_in_force($3::uuid, $2::uuid) k on true" : ""}
  where o.id = $1::uuid`;

/**
 * Reads an actor's current access in the transaction; null when the organization does not exist or the
 * actor has no access. With the organization's lock held, the result stays valid.
 * @throws AppError 401 when the credential has ended
 */
export async function readAccess(
  tx: Queryable,
  actor: Caller,
  orgId: string,
): Promise<Access | null> {
  const { userId, agent, key } = actor;
  const [kind, id] = credentialOf(actor);
  const values = [orgId, userId, id, agent?.id ?? null];
  const rows = await prepared<AccessRow>(tx, `access by ${kind}`, textFor(kind), values);
  const [first] = rows;
  if (!first) return null;
  if (!first.in_force) throw invalidToken();
  const { scopes, shut_out_of: lockedOutOf } = first;
  const now = kind === "key" && key ? { ...actor, key: { ...key, scopes, lockedOutOf } } : actor;
  const maker = rows.find(({ is_agent }) => !is_agent);
  const isMember = agent === null || actor.opinion !== undefined;
  const own = isMember ? maker : rows.find(({ is_agent }) => is_agent);
  return accessFrom(now, own && withSources(own), maker && withSources(maker));
}

function withSources(row: AccessRow): MembershipRow {
  const { role, permissions, inherited } = row;
  const own = permissions.toSorted().map((pattern) => ({ via: role, pattern }));
  return { ...row, sources: inherited ?? own };
}

function credentialOf({
  session,
  key,
}: Caller): [kind: keyof typeof credentials, id: string | null] {
  if (key) return [key.ofRun === true ? "run" : "key", key.id];
  return session ? ["session", session.id] : ["person", null];
}

/** Lists the roles of an organization that grant all of the permissions; of a list, any of them. */
export async function rolesWith(
  tx: Queryable,
  orgId: string,
  permissions: readonly (Permission | readonly Permission[])[],
): Promise<string[]> {
  const { rows } = await tx.execute<{ id: string; patterns: string[] }>(sql`
    select id, role_patterns(id) as patterns from roles where org_id = ${orgId} or org_id is null`);
  return rows
    .filter(({ patterns }) =>
      permissions.every((needed) =>
        [needed].flat().some((permission) => grants(patterns, permission)),
      ),
    )
    .map(({ id }) => id);
}
