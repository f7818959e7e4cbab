import type pg from "pg";
import { grants, type Permission } from "#shared/permissions.js";

/** The rows that determine permissions, for some people and organizations. */
export interface Rows {
  people: { id: string; email: string; full_name: string }[];
  organizations: {
    id: string;
    name: string;
    slug: string;
    owner_id: string;
    is_active: boolean;
  }[];
  roles: {
    id: string;
    org_id: string | null;
    name: string;
    permissions: string[];
    inherits_from: string | null;
  }[];
  /** The service accounts that are not deleted. */
  accounts: { id: string; org_id: string; name: string; is_active: boolean }[];
  memberships: { id: string; org_id: string; user_id: string; role_id: string }[];
  keys: {
    id: string;
    user_id: string;
    org_id: string | null;
    scopes: string[];
    shut_out_of: string[];
    is_revoked: boolean;
  }[];
}

export type KeyRow = Rows["keys"][number];

/** Reads them in one statement. @param client as the owner of the database */
export async function readRows(
  client: pg.Client,
  userIds: readonly string[],
  orgIds: readonly string[],
): Promise<Rows> {
  const all = (rows: string): string => `(select coalesce(json_agg(r), '[]') from (${rows}) r)`;
  const { rows } = await client.query<{ rows: Rows }>({
    name: "read the model's rows",
    text: `select json_build_object(
      'people', ${all("select id, email, full_name from users where id = any($1::uuid[]) order by id")},
      'organizations', ${all(`select id, name, slug, owner_id, archived_at is null as is_active
        from organizations where id = any($2::uuid[]) order by id`)},
      'roles', ${all(`select id, org_id, name, permissions, inherits_from from roles
        where org_id is null or org_id = any($2::uuid[]) order by id`)},
      'memberships', ${all(`select id, org_id, user_id, role_id from memberships
        where org_id = any($2::uuid[])`)},
      'accounts', ${all(`select s.id, s.org_id, s.name, u.is_active from service_accounts s
        join users u on u.id = s.id where s.org_id = any($2::uuid[]) and s.deleted_at is null
        order by s.id`)},
      'keys', ${all(`select id, user_id, org_id, scopes, shut_out_of, revoked_at is not null as is_revoked
        from api_keys where user_id = any($1::uuid[]) or org_id = any($2::uuid[])
        order by id`)}) as rows`,
    values: [userIds, orgIds],
  });
  return rows[0]?.rows as Rows;
}

/** The caller of a request: a person with a session or a key, or a service account with a key. */
export interface Caller {
  userId: string;
  key: KeyRow | null;
}

/** An expected response. If `data` is undefined, only the status is compared. */
export interface Expected {
  status: number;
  data?: unknown;
}

/** Derives responses from the rows, without the server's own code. */
export class AccessModel {
  readonly rows: Rows;
  constructor(rows: Rows) {
    this.rows = rows;
  }

  /** `GET /organizations`: the items without their usage. */
  list(caller: Caller): Expected {
    if (!this.#isKnown(caller)) return { status: 401 };
    const { organizations } = this.rows;
    const seen = organizations.filter(
      ({ id, is_active }) => is_active && this.#status(caller, id, "org:read") === 200,
    );
    const data = seen.map(({ id, name, slug, is_active, owner_id }) => ({
      id,
      name,
      slug,
      is_active,
      role: this.#roleIn(id, caller.userId)?.name,
      owner: { id: owner_id, email: this.#person(owner_id)?.email },
      counts: {
        members: this.rows.memberships.filter(({ org_id }) => org_id === id).length,
        people: this.rows.memberships.filter(
          ({ org_id, user_id }) => org_id === id && user_id && !this.#account(user_id),
        ).length,
        projects: 0,
        agents: 0,
      },
    }));
    return { status: 200, data };
  }

  /** `GET /organizations/{id}`: name, slug, owner, whether it is active. */
  get(caller: Caller, orgId: string): Expected {
    const status = this.#status(caller, orgId, "org:read");
    if (status !== 200) return { status };
    const found = this.rows.organizations.find(({ id }) => id === orgId);
    return { status, data: found };
  }

  /** `GET …/permissions?check=`: whether it is granted, or what refuses it. */
  check(caller: Caller, orgId: string, permission: Permission): Expected {
    const status = this.#status(caller, orgId, "org:read");
    if (status !== 200) return { status };
    const byRole = grants(this.#patternsIn(orgId, caller.userId), permission);
    const byKey =
      grants(scopesIn(caller.key, orgId), permission) && !this.#isWithheld(caller, permission);
    const refused_by = byRole ? (byKey ? null : "credential") : "role";
    return { status, data: { allowed: refused_by === null, refused_by } };
  }

  /** `GET …/members`: each member's name, address and role, by id. */
  members(caller: Caller, orgId: string): Expected {
    const status = this.#status(caller, orgId, "org:members:read");
    if (status !== 200) return { status };
    const members = this.rows.memberships.filter(({ org_id }) => org_id === orgId);
    const data = members
      .toSorted((one, other) => (one.id < other.id ? -1 : 1))
      .map(({ id, user_id, role_id }) => {
        const { full_name, email = null } = this.#person(user_id) ?? {};
        const display_name = full_name ?? this.#account(user_id)?.name;
        return { id, display_name, email, role_name: this.#role(role_id)?.name };
      });
    return { status, data };
  }

  /** `GET /auth/me`. */
  me(caller: Caller): Expected {
    if (!this.#isKnown(caller)) return { status: 401 };
    if (this.#account(caller.userId)) return { status: 403 };
    return { status: 200, data: this.#person(caller.userId) };
  }

  /**
   * `POST /auth/api-keys/verify` for a permission in an organization, called by the key's owner.
   */
  verify(key: KeyRow, orgId: string, permission: Permission): Expected {
    const caller = { userId: key.user_id, key };
    if (!this.#isKnown(caller)) return { status: 200, data: "revoked" };
    // A full-access key acts wherever its owner is a member, except in archived organizations.
    const isFull = key.scopes.includes("*:*");
    const isUsable = isFull
      ? this.#organization(orgId)?.is_active
      : scopesIn(key, orgId).length > 0;
    const isAllowed = isUsable === true && this.#status(caller, orgId, permission) === 200;
    return { status: 200, data: isAllowed ? "valid" : "insufficient_permission" };
  }

  /**
   * A key works until it is revoked; a key for one organization stops while that is archived, and one of a service
   * account while that is deactivated.
   */
  #isKnown({ key }: Caller): boolean {
    if (key === null) return true;
    if (this.#account(key.user_id)?.is_active === false) return false;
    return !key.is_revoked && (key.org_id === null || !!this.#organization(key.org_id)?.is_active);
  }

  #status(caller: Caller, orgId: string, permission: Permission): number {
    if (!this.#isKnown(caller)) return 401;
    const scopes = scopesIn(caller.key, orgId);
    if (!this.#roleIn(orgId, caller.userId) || scopes.length === 0) return 404;
    const patterns = this.#patternsIn(orgId, caller.userId);
    if (this.#isWithheld(caller, permission)) return 403;
    return grants(patterns, permission) && grants(scopes, permission) ? 200 : 403;
  }

  /** No service account changes the rules of branches. */
  #isWithheld({ userId }: Caller, permission: Permission): boolean {
    return permission === "project:protection:write" && this.#account(userId) !== undefined;
  }

  #patternsIn(orgId: string, userId: string): string[] {
    const patterns: string[] = [];
    let role = this.#roleIn(orgId, userId);
    while (role) {
      patterns.push(...role.permissions);
      role = this.#role(role.inherits_from);
    }
    return patterns;
  }

  #roleIn(orgId: string, userId: string) {
    const found = this.rows.memberships.find(
      ({ org_id, user_id }) => org_id === orgId && user_id === userId,
    );
    return this.#role(found?.role_id);
  }

  #role(roleId: string | null | undefined) {
    return this.rows.roles.find(({ id }) => id === roleId);
  }

  #account(id: string) {
    return this.rows.accounts.find((account) => account.id === id);
  }

  #person(userId: string) {
    return this.rows.people.find(({ id }) => id === userId);
  }

  #organization(orgId: string) {
    return this.rows.organizations.find(({ id }) => id === orgId);
  }
}

/** The patterns that a key grants in an organization; a session grants all. */
function scopesIn(key: KeyRow | null, orgId: string): string[] {
  if (key === null) return ["*:*"];
  if (key.shut_out_of.includes(orgId)) return [];
  return key.scopes.flatMap((scope) => {
    if (scope === "*:*") return ["*:*"];
    const [, of, ...pattern] = scope.split(":");
    if (of !== orgId) return [];
    return [pattern.join(":") === "*" ? "*:*" : pattern.join(":")];
  });
}
