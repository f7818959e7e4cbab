import { sql } from "drizzle-orm";
import { patternsFor, type Permission } from "#shared/permissions.js";
import { isUuid } from "#shared/uuid.js";
import { cached } from "../db/cache/cache.js";
import { prepared, type Database } from "../db/connection/connect.js";
import { AppError, invalidField, notFound } from "../errors.js";
import { isPerson, type Actor } from "./authenticate.js";
import { agentScopes, allows, requirePermission, scopesIn, type Access } from "./access.js";

type Key =
  | "org_id"
  | "organization_id"
  | "project_id"
  | "agent_id"
  | "run_id"
  | "session_id"
  | "merge_request_id"
  | "protection_change_id"
  | "task_id"
  | "thread_id"
  | "opinion_id"
  | "pull_request_id";

/** How each kind of id (`$2`) leads to its organization, and to the agent it belongs to. */
const ID_LOOKUPS: Record<Key | "slug", { organization: string; agent?: string }> = {
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
    organization: `(select p.org_id from runs r left join agents a on a.id = r.agent_id
      join projects p on p.id = coalesce(r.project_id, a.project_id)
      where r.id = $2::uuid and p.deleted_at is null)`,
    // A build has no agent, and no agent sees it.
    agent: `(select coalesce(agent_id, '00000000-0000-0000-0000-000000000000') from runs
      where id = $2::uuid)`,
  },
  session_id: {
    organization: `(select p.org_id from agent_sessions s join agents a on a.id = s.agent_id
      join projects p on p.id = a.project_id where s.id = $2::uuid and p.deleted_at is null)`,
    agent: "(select agent_id from agent_sessions where id = $2::uuid)",
  },
  merge_request_id: {
    organization: `(select p.org_id from merge_requests q join projects p on p.id = q.project_id
      where q.id = $2::uuid and p.deleted_at is null)`,
    agent: "(select agent_id from merge_requests where id = $2::uuid)",
  },
  task_id: {
    organization: `(select p.org_id from tasks t join projects p on p.id = t.project_id
      where t.id = $2::uuid and p.deleted_at is null)`,
  },
  thread_id: {
    organization: `(select p.org_id from review_threads h join tasks t on t.id = h.task_id
      join projects p on p.id = t.project_id where h.id = $2::uuid and p.deleted_at is null)`,
  },
  opinion_id: {
    organization: `(select p.org_id from opinions v join projects p on p.id = v.project_id
      where v.id = $2::uuid and p.deleted_at is null)`,
  },
  pull_request_id: {
    organization: `(select p.org_id from pull_requests q join projects p on p.id = q.project_id
      where q.id = $2::uuid and p.deleted_at is null)`,
    agent: `(select a.agent_id from pull_requests q join task_attempts a on a.id = q.attempt_id
      where q.id = $2::uuid)`,
  },
  protection_change_id: {
    organization: `(select p.org_id from protection_changes c join projects p on p.id = c.project_id
      where c.id = $2::uuid and p.deleted_at is null)`,
  },
};

/**
 * Resolves the actor's access to the organization of an id. Returns null when the id does not exist or
 * the actor has no access to it.
 */
export async function resolveAccess(
  db: Database,
  actor: Actor,
  key: Key,
  value: string,
): Promise<Access | null> {
  const isOpinion = actor.opinion !== undefined;
  const subject = actor.agent && !isOpinion ? `agent/${actor.agent.id}` : actor.userId;
  const row = await accessCacheOf(db)(`${subject} ${key} ${value}`);
  if (!row) return null;
  // A second opinion sees no agent, not even the one whose work it reads.
  if (isOpinion && row.named_agent !== null) return null;
  if (!actor.agent || isOpinion) return accessFrom(actor, row, row);
  // Other agents are invisible to an agent.
  if (row.named_agent !== null && row.named_agent !== actor.agent.id) return null;
  const maker = await accessCacheOf(db)(`${actor.userId} ${key} ${value}`);
  return accessFrom(actor, row, maker);
}

/** A membership with the permissions of its role. */
export interface MembershipRow extends Record<string, unknown> {
  org_id: string;
  archived: boolean;
  membership_id: string;
  role: string;
  sources: Access["sources"];
  is_service_account: boolean;
}

/**
 * Combines a membership with the credential; null when nothing remains. An agent's credential is
 * limited to its creator's permissions, and to those that agents have; that of a service account to
 * those that service accounts have.
 */
export function accessFrom(
  actor: Pick<Actor, "agent" | "key" | "opinion">,
  own: MembershipRow | undefined,
  maker: MembershipRow | undefined,
): Access | null {
  if (!own) return null;
  const { org_id: orgId, archived, membership_id: membershipId } = own;
  const { role, sources } = actor.opinion ? reviewerRole : own;
  let scopes = scopesIn(actor, orgId);
  if (actor.agent) scopes = maker ? agentScopes(maker.sources, scopes) : [];
  else if (own.is_service_account) scopes = patternsFor("service_account", scopes);
  if (scopes.length === 0) return null;
  const used = (permission: string): void => actor.key?.used(orgId, permission);
  return { orgId, archived, membershipId, role, sources, scopes, used };
}

/** The permissions of an agent that gives a second opinion, whose caller's role lends none but this. */
const reviewerRole: Pick<Access, "role" | "sources"> = {
  role: "reviewer",
  sources: [{ via: "reviewer", pattern: "project:task:read" }],
};

interface CachedAccessRow extends MembershipRow {
  user_id: string | null;
  /** The agent the id belongs to. */
  named_agent: string | null;
}

const accessCaches = new WeakMap<Database, ReturnType<typeof cached<CachedAccessRow>>>();

/** The database's cached memberships, by "<user or agent> <kind of id> <id>". */
function accessCacheOf(db: Database): ReturnType<typeof cached<CachedAccessRow>> {
  const known = accessCaches.get(db);
  if (known) return known;
  const made = cached<CachedAccessRow>({
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
      const kind = key === "org_id" && !isUuid(value.toLowerCase()) ? "slug" : key;
      const { organization, agent = "null::uuid" } = ID_LOOKUPS[kind];
      const [row] = await db.withSystem("find the organization of a request", (tx) =>
        prepared<CachedAccessRow>(
          tx,
          `access of a ${member} by ${kind}`,
          `select m.user_id, o.id as org_id, o.archived_at is not null as archived,
            m.id as membership_id, r.name as role, role_sources(r.id) as sources,
            coalesce(u.kind = 'service', false) as is_service_account, ${agent} as named_agent
          from organizations o
          join memberships m on m.org_id = o.id and m.${member} = $1::uuid
          join roles r on r.id = m.role_id
          left join users u on u.id = m.user_id
          where o.id = ${organization}`,
          [agentId ?? subject, value],
        ),
      );
      if (!row) return undefined;
      const { user_id, org_id } = row;
      return {
        value: row,
        sources: [
          ...(user_id === null ? [] : [`user ${user_id}` as const]),
          `organization ${org_id}`,
          ...(kind === "run_id" ? [`runs of ${org_id}` as const] : []),
        ],
      };
    },
  });
  accessCaches.set(db, made);
  return made;
}

/**
 * Resolves the access for an id in the path.
 * @throws AppError 404
 */
export async function resolvePathAccess(
  db: Database,
  actor: Actor,
  key: Exclude<Key, "organization_id">,
  value: string,
): Promise<Access> {
  const access = await resolveAccess(db, actor, key, value);
  if (!access) throw notFound();
  return access;
}

/**
 * Resolves the access for an id in the body.
 * @throws AppError 422 naming the field, also for a missing id
 */
export async function resolveBodyAccess(
  db: Database,
  actor: Actor,
  key: "organization_id" | "project_id",
  value: string,
): Promise<Access> {
  const access = await resolveAccess(db, actor, key, value);
  if (!access) throw unknownInBody(key);
  return access;
}

export function unknownInBody(key: "organization_id" | "project_id"): AppError {
  return invalidField(
    key,
    `does not name a ${key.replace("_id", "")} that you can see`,
    "unknown_id",
  );
}

/**
 * Requires a session or a key with full access, for a user's own resources.
 * @throws AppError 403
 */
export function requireFullAccess(actor: Actor): void {
  if (isPerson(actor) && (!actor.key || actor.key.scopes.includes("*:*"))) {
    actor.key?.used(null, "*:*");
    return;
  }
  throw new AppError(
    "insufficient_permission",
    "This requires a session or a key with the scope *:*.",
    { missing_permissions: ["*:*"] },
  );
}

/**
 * Returns the organizations where the actor has a permission, for lists across organizations; with
 * `only`, that one.
 * @throws AppError 422 when the actor is not in `only`; 403 when the actor lacks the permission there
 */
export async function organizationsWith(
  db: Database,
  actor: Actor,
  permission: Permission,
  only: string | undefined,
): Promise<string[]> {
  if (only !== undefined) {
    const access = await resolveAccess(db, actor, "organization_id", only);
    if (!access) {
      const msg = "names an organization that you are not in";
      throw new AppError("validation_failed", `organization_id ${msg}.`, {
        errors: [{ loc: ["query", "organization_id"], msg, type: "unknown_id" }],
      });
    }
    requirePermission(access, permission);
    return [access.orgId];
  }
  if (actor.agent) return organizationsOfAgent(db, actor, permission);
  const { rows } = await db.withSystem("find where the caller may read", (tx) =>
    tx.execute<Pick<CachedAccessRow, "org_id" | "role" | "sources">>(sql`
      select m.org_id, r.name as role, role_sources(r.id) as sources from memberships m
      join organizations o on o.id = m.org_id and o.archived_at is null
      join roles r on r.id = m.role_id
      where m.user_id = ${actor.userId}`),
  );
  actor.key?.used(null, permission);
  return rows
    .filter(({ org_id, role, sources }) =>
      allows(
        { role, sources, scopes: patternsFor(actor.kind, scopesIn(actor, org_id)) },
        permission,
      ),
    )
    .map(({ org_id }) => org_id);
}

/** An agent belongs to one organization, which its key's scopes name. */
async function organizationsOfAgent(
  db: Database,
  actor: Actor,
  permission: Permission,
): Promise<string[]> {
  const orgId = actor.key?.scopes[0]?.split(":")[1] ?? "";
  const access = await resolveAccess(db, actor, "organization_id", orgId);
  if (!access || access.archived || !allows(access, permission)) return [];
  access.used(permission);
  return [access.orgId];
}

/**
 * Rejects agents and service accounts, for a user's own resources.
 * @throws AppError 403
 */
export function requirePerson(actor: Actor): void {
  if (isPerson(actor)) return;
  throw new AppError(
    "insufficient_permission",
    `This belongs to a user, but the key acts as ${actor.agent ? `the agent ${actor.agent.name}` : "a service account"}.`,
  );
}
