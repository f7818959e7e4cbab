import { eq, sql } from "drizzle-orm";
import type pg from "pg";
import type { Organization, OrganizationItem } from "#shared/api/organization/organizations.js";
import type { Queryable } from "../../../db/connection/connect.js";
import { organizations, organizationSlugs } from "../../../db/tables/tables.js";
import { periodEnd, usageColumns, usageOf, type UsageRow } from "../usage/index.js";

const organizationColumns = {
  id: organizations.id,
  name: organizations.name,
  slug: organizations.slug,
  description: organizations.description,
  owner_id: organizations.owner_id,
  billing_email: organizations.billing_email,
  is_active: sql<boolean>`${organizations.archived_at} is null`,
  max_concurrent_agents: organizations.max_concurrent_agents,
  max_agent_runtime_hours: organizations.max_agent_runtime_hours,
  max_model_cost_usd: organizations.max_model_cost_usd,
  max_model_tokens: organizations.max_model_tokens,
  allowed_models: organizations.allowed_models,
  max_open_child_tasks: organizations.max_open_child_tasks,
  settings: organizations.settings,
  created_at: organizations.created_at,
  updated_at: organizations.updated_at,
  archived_at: organizations.archived_at,
};

type NewOrganization = Pick<Organization, "id" | "name" | "slug" | "owner_id"> &
  Partial<
    Pick<
      Organization,
      | "description"
      | "billing_email"
      | "settings"
      | "max_concurrent_agents"
      | "max_agent_runtime_hours"
      | "max_model_cost_usd"
      | "max_model_tokens"
      | "allowed_models"
      | "max_open_child_tasks"
    >
  >;

export async function insertOrganization(
  tx: Queryable,
  values: NewOrganization,
): Promise<Organization> {
  const [row] = await tx.insert(organizations).values(values).returning(organizationColumns);
  if (!row) throw new Error("the organization was not inserted");
  await tx.insert(organizationSlugs).values({ slug: values.slug, org_id: values.id });
  return row;
}

export async function findOrganization(
  tx: Queryable,
  orgId: string,
): Promise<Organization | undefined> {
  const [row] = await tx
    .select(organizationColumns)
    .from(organizations)
    .where(eq(organizations.id, orgId));
  return row;
}

export async function updateOrganization(
  tx: Queryable,
  orgId: string,
  changes: Partial<Omit<NewOrganization, "id">>,
): Promise<Organization | undefined> {
  const [row] = await tx
    .update(organizations)
    .set({ ...changes, updated_at: sql`now()` })
    .where(eq(organizations.id, orgId))
    .returning(organizationColumns);
  return row;
}

/** Archives or unarchives the organization. */
export async function setArchived(
  tx: Queryable,
  orgId: string,
  archived: boolean,
): Promise<Organization | undefined> {
  const [row] = await tx
    .update(organizations)
    .set({ archived_at: archived ? sql`now()` : null, updated_at: sql`now()` })
    .where(eq(organizations.id, orgId))
    .returning(organizationColumns);
  return row;
}

/**
 * Claims a slug for the organization, or reclaims one of its former slugs. Returns false if it is
 * taken.
 */
export async function claimSlug(tx: Queryable, orgId: string, slug: string): Promise<boolean> {
  await tx.insert(organizationSlugs).values({ slug, org_id: orgId }).onConflictDoNothing();
  const [row] = await tx
    .select({ org_id: organizationSlugs.org_id })
    .from(organizationSlugs)
    .where(eq(organizationSlugs.slug, slug));
  return row?.org_id === orgId;
}

/**
 * Returns the organization that has or had a slug. Requires a system transaction, because slugs are
 * global.
 */
export async function slugHolder(db: Queryable, slug: string): Promise<string | undefined> {
  const [row] = await db
    .select({ org_id: organizationSlugs.org_id })
    .from(organizationSlugs)
    .where(eq(organizationSlugs.slug, slug));
  return row?.org_id;
}

/**
 * Returns the taken slugs among a base and the numbered variants of a stem. Requires a system
 * transaction, because slugs are global.
 */
export async function takenSlugs(db: Queryable, base: string, stem: string): Promise<Set<string>> {
  const rows = await db
    .select({ slug: organizationSlugs.slug })
    .from(organizationSlugs)
    .where(
      // A range instead of `like`, which cannot use an index behind row-level security.
      sql`${organizationSlugs.slug} = ${base} or (${organizationSlugs.slug} collate "C" >= ${`${stem}-`}
        and ${organizationSlugs.slug} collate "C" < ${`${stem}.`})`,
    );
  return new Set(rows.map((row) => row.slug));
}

/** An organization as listed for a member, with the role's patterns that determine its visibility. */
export interface ListedOrganization {
  item: OrganizationItem;
  patterns: string[];
  archived: boolean;
}

type ListRow = UsageRow & {
  user_id: string;
  id: string;
  name: string;
  slug: string;
  role: string;
  patterns: string[];
  archived: boolean;
  owner_id: string;
  owner_email: string;
  members: number;
  people: number;
  projects: number;
  agents: number;
};

/** The service accounts of an organization, which are users but no people. */
const accounts = `
  (select count(*) from service_accounts s where s.org_id = o.id and s.deleted_at is null)`;

/** Lists the organizations of many users or agents in one prepared query, each list in creation order. */
export async function listOrganizations(
  pool: pg.Pool,
  ids: string[],
): Promise<ReadonlyMap<string, ListedOrganization[]>> {
  const { rows } = await pool.query<ListRow>({
    name: "list organizations",
    text: `
      select coalesce(m.user_id, m.agent_id) as user_id, o.id, o.name, o.slug, r.name as role,
        case when r.inherits_from is null then r.permissions else role_patterns(r.id) end as patterns,
        o.archived_at is not null as archived, o.owner_id, u.email as owner_email,
        (select count(*)::int from memberships where org_id = o.id) as members,
        ((select count(user_id) from memberships where org_id = o.id) - ${accounts})::int as people,
        (select count(*)::int from projects where org_id = o.id and deleted_at is null) as projects,
        (select count(*)::int from agents where org_id = o.id and terminated_at is null) as agents,
        o.max_concurrent_agents, o.max_agent_runtime_hours, ${usageColumns("o.id")}
      from memberships m
      join organizations o on o.id = m.org_id
      join roles r on r.id = m.role_id
      join users u on u.id = o.owner_id
      where m.user_id = any($1::uuid[]) or m.agent_id = any($1::uuid[])
      order by o.id`,
    values: [ids],
  });
  const lists = new Map<string, ListedOrganization[]>();
  for (const row of rows) {
    const list = lists.get(row.user_id) ?? [];
    lists.set(row.user_id, list);
    list.push({
      item: {
        id: row.id,
        name: row.name,
        slug: row.slug,
        role: row.role,
        is_active: !row.archived,
        owner: { id: row.owner_id, email: row.owner_email },
        counts: {
          members: row.members,
          people: row.people,
          projects: row.projects,
          agents: row.agents,
        },
        usage: usageOf(row),
      },
      patterns: row.patterns,
      archived: row.archived,
    });
  }
  return lists;
}

/**
 * `organizationItem` as compact JSON built by the database, which avoids parsing and serializing it
 * here.
 */
const itemJson = `
  select row_to_json(item)::text from (
    select o.id, o.name, o.slug, r.name as role, o.archived_at is null as is_active,
      (select row_to_json(w) from (select u.id, u.email) w) as owner,
      (select row_to_json(c) from (select
        (select count(*) from memberships where org_id = o.id) as members,
        (select count(user_id) from memberships where org_id = o.id) - ${accounts} as people,
        (select count(*) from projects where org_id = o.id and deleted_at is null) as projects,
        (select count(*) from agents where org_id = o.id and terminated_at is null) as agents) c) as counts,
      (select row_to_json(g) from (select
        ${instantText("f.period_start")} as period_start, ${instantText("f.period_end")} as period_end,
        (select row_to_json(a) from (select f.running as current, o.max_concurrent_agents as limit) a) as concurrent_agents,
        (select row_to_json(h) from (select f.hours as current, o.max_agent_runtime_hours as limit) h) as runtime_hours
        from (select ${usageColumns("o.id")}) f) g) as usage
  ) item`;

function instantText(expression: string): string {
  return `to_char(${expression} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`;
}

/** A user's organization list as JSON. */
export interface ListText {
  user_id: string;
  text: string;
  /** Ids of the listed organizations, and of their owners. */
  org_ids: string[];
  owner_ids: string[];
  /** Ids of all the user's organizations, including unlisted ones. */
  member_of: string[];
  /** Whether an agent is running in any of them, so that the reported hours grow with time. */
  is_running: boolean;
  period_end: Date;
}

/**
 * Returns the lists of many users as JSON in one prepared query. A list contains the organizations that
 * are not archived and where the role has one of the patterns, in creation order. Users without
 * organizations are omitted.
 */
export async function listOrganizationTexts(
  pool: pg.Pool,
  userIds: string[],
  patterns: string[],
): Promise<ReadonlyMap<string, ListText>> {
  const { rows } = await pool.query<ListText>({
    name: "list organizations as texts",
    text: `
      select m.user_id, array_agg(o.id) as member_of, ${periodEnd} as period_end,
        '[' || coalesce(string_agg((${itemJson}), ',' order by o.id) filter (where is_listed), '') || ']'
          as text,
        coalesce(array_agg(o.id) filter (where is_listed), '{}') as org_ids,
        coalesce(array_agg(o.owner_id) filter (where is_listed), '{}') as owner_ids,
        exists (select from runs where status = 'running'
          and org_id = any(array_agg(o.id) filter (where is_listed))) as is_running
      from memberships m
      join organizations o on o.id = m.org_id
      join roles r on r.id = m.role_id
      join users u on u.id = o.owner_id
      cross join lateral (select o.archived_at is null and
        case when r.inherits_from is null then r.permissions else role_patterns(r.id) end && $2::text[]
          as is_listed) l
      where m.user_id = any($1::uuid[])
      group by m.user_id`,
    values: [userIds, patterns],
  });
  return new Map(rows.map((row) => [row.user_id, row]));
}
