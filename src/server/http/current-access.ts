import type { Permission } from "#shared/permissions.js";
import type { Origin, Tell } from "../db/audit.js";
import { prepared, type Database, type Queryable } from "../db/connect.js";
import type { AppError } from "../errors.js";
import { invalidToken, type Actor } from "./authenticate.js";
import { standingFrom, type MembershipRow } from "./authorize.js";
import { refuseArchived, refuseLacking, type Standing } from "./standing.js";

/** Who asks for writes in an organization, and what they take. */
export interface Demand extends Origin {
  readonly actor: Actor;
  readonly orgId: string;
  /** Null where the work itself decides what it takes. */
  readonly permission: Permission | null;
  readonly whenArchived: boolean;
  /** The answer where the caller has no part in the organization any more. */
  readonly absent: () => AppError;
}

/** Transactions that are judged under the organization's lock, by what is the case then. */
export interface JudgedWrites {
  /** What the caller holds now; for a transaction that has taken the organization's lock in another way. */
  readonly judge: (tx: Queryable) => Promise<Standing>;
  /**
   * A change, one after another in an organization, audited by `tell`. `access` is what the caller holds
   * at this moment: what the work decides, it decides by it. A deadlock runs the work again: it has no
   * effects outside of the transaction.
   */
  readonly change: <Result>(
    work: (tx: Queryable, tell: Tell, access: Standing) => Promise<Result>,
  ) => Promise<Result>;
  /** The same for a write that no other decision depends on: writes run beside each other. */
  readonly write: <Result>(
    work: (tx: Queryable, access: Standing) => Promise<Result>,
  ) => Promise<Result>;
}

/**
 * Has each transaction judge the caller anew once it holds the organization's lock: another change may
 * have taken the permission, the membership, the credential or the organization's activity meanwhile.
 * @throws AppError 401; 403; 404 or as the demand says; 409 `organization_archived`
 */
export function judgedWrites(db: Database, demand: Demand): JudgedWrites {
  const { actor, orgId, permission, whenArchived, absent } = demand;
  const judge = async (tx: Queryable): Promise<Standing> => {
    const access = await readAccess(tx, actor, orgId);
    if (!access) throw absent();
    if (permission !== null) refuseLacking(access, permission);
    if (!whenArchived) refuseArchived(access);
    return access;
  };
  return {
    judge,
    change: (work) => db.change(orgId, demand, async (tx, tell) => work(tx, tell, await judge(tx))),
    write: (work) => db.write(orgId, async (tx) => work(tx, await judge(tx))),
  };
}

interface AccessRow extends MembershipRow {
  scopes: string[] | null;
  shut_out_of: string[];
}

/**
 * What an actor holds in an organization, read in the transaction at hand; null where the organization is
 * absent or the actor has no part in it. With the organization's lock held it stays so.
 * @throws AppError 401 where the credential has ended
 */
export async function readAccess(
  tx: Queryable,
  actor: Actor,
  orgId: string,
): Promise<Standing | null> {
  const { userId, agent, key } = actor;
  const rows = await prepared<AccessRow>(
    tx,
    "access of an actor",
    `select o.id as org_id, o.archived_at is not null as archived, m.id as membership_id,
      m.agent_id is not null as is_agent, r.name as role, role_sources(r.id) as sources,
      c.scopes, c.shut_out_of
    from organizations o
    left join credential_in_force($3, $4::uuid, $2::uuid) c on true
    join memberships m on m.org_id = o.id and (m.user_id = $2::uuid or m.agent_id = $5::uuid)
    join roles r on r.id = m.role_id
    where o.id = $1::uuid`,
    [orgId, userId, ...credentialOf(actor), agent?.id ?? null],
  );
  const [first] = rows;
  if (!first) return null;
  if (first.scopes === null) throw invalidToken();
  const { scopes, shut_out_of: shutOutOf } = first;
  const now: Actor = { ...actor, key: key && { ...key, scopes, shutOutOf } };
  return standingFrom(
    now,
    rows.find(({ is_agent }) => is_agent === (agent !== null)),
    rows.find(({ is_agent }) => !is_agent),
  );
}

function credentialOf({ session, key }: Actor): [kind: string, id: string | null] {
  if (key) return [key.ofRun === true ? "run" : "key", key.id];
  return session ? ["session", session.id] : ["person", null];
}
