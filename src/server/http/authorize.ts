import { sql } from "drizzle-orm";
import type { PermissionExplanation } from "#shared/api/organizations.js";
import {
  exceeding,
  expand,
  grants,
  matches,
  permissionNames,
  type Permission,
} from "#shared/permissions.js";
import { cached } from "../db/cache.js";
import { prepared, type Database } from "../db/connect.js";
import { AppError, invalidField, notFound } from "../errors.js";
import type { Actor, ActorKey } from "./authenticate.js";

/** What an actor holds in one organization at this moment. */
export interface Standing {
  orgId: string;
  archived: boolean;
  membershipId: string;
  role: string;
  /** The role's patterns, inherited ones too, each with the role that it is written in. */
  sources: readonly { via: string; pattern: string }[];
  /**
   * What the credential lets through: `*:*` for a session, the key's scopes here for a key; of an
   * agent's key what whoever made it may do here, too.
   */
  scopes: readonly string[];
  /** Counts that a key needed a permission and had it. */
  used: (permission: string) => void;
}

type Key = "org_id" | "organization_id" | "project_id" | "agent_id" | "run_id";

const uuidShape = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** How each kind of id (`$2`) leads to its organization, and to the agent that it names, itself or by its run. */
const meanings: Record<Key | "slug", { organization: string; agent?: string }> = {
  slug: { organization: "(select org_id from organization_slugs where slug = $2)" },
  org_id: { organization: "$2::uuid" },
  organization_id: { organization: "$2::uuid" },
  project_id: {
    organization: "(select org_id from projects where id = $2::uuid and deleted_at is null)",
  },
  agent_id: {
    organization: `(select p.org_id from agents a join projects p on p.id = a.project_id
      where a.id = $2::uuid and p.deleted_at is null)`,
    agent: "$2::uuid",
  },
  run_id: {
    organization: `(select p.org_id from runs r join agents a on a.id = r.agent_id
      join projects p on p.id = a.project_id where r.id = $2::uuid and p.deleted_at is null)`,
    agent: "(select agent_id from runs where id = $2::uuid)",
  },
};

/**
 * What the actor holds in the organization that an id leads to, or null where it is absent or the
 * actor has no part in it: one answer for both.
 */
export async function standingOf(
  db: Database,
  actor: Actor,
  key: Key,
  value: string,
): Promise<Standing | null> {
  const subject = actor.agent ? `agent/${actor.agent.id}` : actor.userId;
  const row = await standingsIn(db)(`${subject} ${key} ${value}`);
  if (!row) return null;
  let scopes = scopesIn(actor, row.org_id);
  if (actor.agent) {
    // Another agent is not there for it.
    if (row.named_agent !== null && row.named_agent !== actor.agent.id) return null;
    const maker = await standingOf(db, { ...actor, agent: null }, key, value);
    scopes = maker ? heldPatterns(maker) : [];
  }
  if (scopes.length === 0) return null;
  return {
    orgId: row.org_id,
    archived: row.archived,
    membershipId: row.membership_id,
    role: row.role,
    sources: row.sources,
    scopes,
    used: (permission) => actor.key?.used(row.org_id, permission),
  };
}

interface StandingRow extends Record<string, unknown> {
  user_id: string | null;
  /** The agent that the id names, by itself or by its run. */
  named_agent: string | null;
  org_id: string;
  archived: boolean;
  membership_id: string;
  role: string;
  sources: Standing["sources"];
}

const standings = new WeakMap<Database, ReturnType<typeof cached<StandingRow>>>();

/** What is kept in memory of a database's memberships, by "<user or agent> <kind of id> <id>". */
function standingsIn(db: Database): ReturnType<typeof cached<StandingRow>> {
  const known = standings.get(db);
  if (known) return known;
  const made = cached<StandingRow>({
    changes: db.changes,
    load: async (text) => {
      const [, subject, key, value] = /^(\S+) (\S+) (.*)$/s.exec(text) as unknown as [
        string,
        string,
        Key,
        string,
      ];
      const agentId = /^agent\/(.+)/.exec(subject)?.[1];
      const member = agentId === undefined ? "user_id" : "agent_id";
      const kind = key === "org_id" && !uuidShape.test(value) ? "slug" : key;
      const { organization, agent = "null::uuid" } = meanings[kind];
      const [row] = await db.withSystem("find the organization of a request", (tx) =>
        prepared<StandingRow>(
          tx,
          `standing of a ${member} by ${kind}`,
          `select m.user_id, o.id as org_id, o.archived_at is not null as archived,
            m.id as membership_id, r.name as role, role_sources(r.id) as sources,
            ${agent} as named_agent
          from organizations o
          join memberships m on m.org_id = o.id and m.${member} = $1::uuid
          join roles r on r.id = m.role_id
          where o.id = ${organization}`,
          [agentId ?? subject, value],
        ),
      );
      return row;
    },
    sourcesOf: ({ user_id, org_id }) => [
      ...(user_id === null ? [] : [`user ${user_id}` as const]),
      `organization ${org_id}`,
    ],
  });
  standings.set(db, made);
  return made;
}

/** What follows from an object that does not change and a text: worked out once while the object lives. */
type Memory<Of extends object, Result> = WeakMap<Of, Map<string, Result>>;

const scopesOfKeys: Memory<ActorKey, readonly string[]> = new WeakMap();
const allowed: Memory<Standing["sources"], readonly Permission[]> = new WeakMap();

function remembered<Of extends object, Result>(
  memory: Memory<Of, Result>,
  of: Of,
  text: string,
  make: () => Result,
): Result {
  const known = memory.get(of);
  const found = known?.get(text);
  if (found !== undefined) return found;
  const made = make();
  if (known) known.set(text, made);
  else memory.set(of, new Map([[text, made]]));
  return made;
}

/** The patterns that the credential lets through in an organization. */
export function scopesIn({ key }: Pick<Actor, "key">, orgId: string): readonly string[] {
  if (!key) return fullScopes;
  return remembered(scopesOfKeys, key, orgId, () => {
    if (key.shutOutOf.includes(orgId)) return [];
    const prefix = `org:${orgId}:`;
    return key.scopes.flatMap((scope) => {
      if (scope === "*:*") return ["*:*"];
      if (!scope.startsWith(prefix)) return [];
      const pattern = scope.slice(prefix.length);
      return [pattern === "*" ? "*:*" : pattern];
    });
  });
}

const fullScopes = ["*:*"] as const;

type Held = Pick<Standing, "role" | "sources" | "scopes">;

/**
 * Why a standing allows a permission: what of the role grants it, where the credential lets it through.
 * Enforcement is this same answer: what nothing explains is refused.
 */
export function explain(
  { role, sources, scopes }: Held,
  permission: string,
): PermissionExplanation {
  const granting = sources.filter(({ pattern }) => matches(pattern, permission));
  const because = grants(scopes, permission)
    ? granting.map(({ via, pattern }) => ({ role, via, pattern }))
    : [];
  const allowed = because.length > 0;
  const refusedBy = granting.length === 0 ? "role" : "credential";
  return { allowed, because, refused_by: allowed ? null : refusedBy };
}

export function allows(held: Held, permission: string): boolean {
  return explain(held, permission).allowed;
}

/** The registered permissions that a standing allows, in the registry's order. */
export function permissionsOf(held: Held): readonly Permission[] {
  return remembered(allowed, held.sources, held.scopes.join(" "), () =>
    permissionNames.filter((permission) => allows(held, permission)),
  );
}

/** The role's patterns, inherited ones too. */
export function rolePatterns({ sources }: Pick<Held, "sources">): string[] {
  return [...new Set(sources.map(({ pattern }) => pattern))];
}

/**
 * Refuses what the standing does not allow.
 * @throws AppError 403 `insufficient_permission`, naming the permission.
 */
export function requirePermission(standing: Standing, permission: Permission): void {
  const { allowed, refused_by } = explain(standing, permission);
  if (allowed) {
    standing.used(permission);
    return;
  }
  throw new AppError(
    "insufficient_permission",
    refused_by === "credential"
      ? `The API key's scopes do not cover ${permission}; use a key that has it.`
      : `Your role "${standing.role}" does not have ${permission}; ask somebody who has it.`,
    { missing_permissions: [permission] },
  );
}

/** @throws AppError 409 `organization_archived` */
export function refuseArchived({ archived }: Pick<Standing, "archived">): void {
  if (!archived) return;
  throw new AppError(
    "organization_archived",
    "The organization is archived and can only be read; its owner can restore it.",
  );
}

/** What of the wanted patterns is beyond the standing; where nothing is, all of it counts as used. */
export function permissionsBeyond(standing: Standing, wanted: readonly string[]): Permission[] {
  const beyond = exceeding(wanted, heldPatterns(standing));
  if (beyond.length === 0) expand(wanted).forEach(standing.used);
  return beyond;
}

/** All patterns the actor may hand on here: the role's, as far as the credential lets them through. */
export function heldPatterns(standing: Pick<Standing, "scopes" | "sources">): string[] {
  return patternsWithin(rolePatterns(standing), standing.scopes);
}

/** The patterns as far as scopes let them through. */
export function patternsWithin(patterns: readonly string[], scopes: readonly string[]): string[] {
  if (scopes.includes("*:*")) return [...patterns];
  return [
    ...scopes.filter((scope) => patterns.some((held) => covers(held, scope))),
    ...patterns.filter((held) => scopes.some((scope) => covers(scope, held))),
  ];
}

function covers(wide: string, narrow: string): boolean {
  return wide === "*:*" || wide === narrow || (narrow !== "*:*" && matches(wide, narrow));
}

/** The standing behind a path's id. @throws AppError 404 */
export async function standingOfPath(
  db: Database,
  actor: Actor,
  key: Exclude<Key, "organization_id">,
  value: string,
): Promise<Standing> {
  const standing = await standingOf(db, actor, key, value);
  if (!standing) throw notFound();
  return standing;
}

/** The standing behind a body's id. @throws AppError 422 naming the field, as for an id that does not exist */
export async function standingOfBody(
  db: Database,
  actor: Actor,
  key: "organization_id" | "project_id",
  value: string,
): Promise<Standing> {
  const standing = await standingOf(db, actor, key, value);
  if (!standing) {
    throw invalidField(key, `names no ${key.replace("_id", "")} that you can see`, "unknown_id");
  }
  return standing;
}

/**
 * For what belongs to the person and to no organization: only a session or a key of full access.
 * @throws AppError 403
 */
export function requireFullAccess(actor: Actor): void {
  if (!actor.key || actor.key.scopes.includes("*:*")) {
    actor.key?.used(null, "*:*");
    return;
  }
  throw new AppError(
    "insufficient_permission",
    "This needs a key with the scope *:*, or a session.",
    { missing_permissions: ["*:*"] },
  );
}

/**
 * The organizations where the actor has a permission, for lists across them; with `only`, that one.
 * @throws AppError 422 where `only` names none that the actor is in; 403 where he lacks the permission there
 */
export async function organizationsWith(
  db: Database,
  actor: Actor,
  permission: Permission,
  only: string | undefined,
): Promise<string[]> {
  if (only !== undefined) {
    const standing = await standingOf(db, actor, "organization_id", only);
    if (!standing) {
      const msg = "names no organization that you are in";
      throw new AppError("validation_failed", `organization_id ${msg}.`, {
        errors: [{ loc: ["query", "organization_id"], msg, type: "unknown_id" }],
      });
    }
    requirePermission(standing, permission);
    return [standing.orgId];
  }
  if (actor.agent) return organizationsOfAgent(db, actor, permission);
  const { rows } = await db.withSystem("find where the caller may read", (tx) =>
    tx.execute<Pick<StandingRow, "org_id" | "role" | "sources">>(sql`
      select m.org_id, r.name as role, role_sources(r.id) as sources from memberships m
      join organizations o on o.id = m.org_id and o.archived_at is null
      join roles r on r.id = m.role_id
      where m.user_id = ${actor.userId}`),
  );
  actor.key?.used(null, permission);
  return rows
    .filter(({ org_id, role, sources }) =>
      allows({ role, sources, scopes: scopesIn(actor, org_id) }, permission),
    )
    .map(({ org_id }) => org_id);
}

/** An agent is in one organization, that of its key's scopes. */
async function organizationsOfAgent(
  db: Database,
  actor: Actor,
  permission: Permission,
): Promise<string[]> {
  const orgId = actor.key?.scopes[0]?.split(":")[1] ?? "";
  const standing = await standingOf(db, actor, "organization_id", orgId);
  if (!standing || standing.archived || !allows(standing, permission)) return [];
  standing.used(permission);
  return [standing.orgId];
}

/** For what is a person's own: an agent has none. @throws AppError 403 */
export function requirePerson(actor: Actor): void {
  if (!actor.agent) return;
  throw new AppError(
    "insufficient_permission",
    `This is a person's; the key acts as the agent ${actor.agent.name}.`,
  );
}
