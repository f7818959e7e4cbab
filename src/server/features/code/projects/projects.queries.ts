import { and, asc, eq, getTableColumns, isNotNull, isNull, sql } from "drizzle-orm";
import type { PgUpdateSetSource } from "drizzle-orm/pg-core";
import { defaultContainers, type ProjectContainers } from "#shared/api/execution/containers.js";
import { project, type Project, type Upstream } from "#shared/api/code/projects.js";
import type { Database, Queryable } from "../../../db/connection/connect.js";
import {
  agents,
  organizations,
  projects,
  protectedBranches,
  runs,
  upstreamCredentials,
  upstreams,
} from "../../../db/tables/tables.js";

const { id, ...columns } = getTableColumns(projects);

/** The columns that the API returns by their names: a new one needs only its declaration there. */
const shownColumns = Object.fromEntries(
  Object.entries(columns).filter(([name]) => name in project.shape),
) as Pick<typeof columns, keyof typeof columns & keyof Project>;

export const projectColumns = {
  id,
  organization_id: projects.org_id,
  ...shownColumns,
  protected_branches: protectedBranches,
  kubernetes: sql<ProjectContainers>`coalesce(${projects.kubernetes}, ${JSON.stringify(defaultContainers)}::jsonb)`,
  org_slug: organizations.slug,
  agents: sql<number>`(select count(*)::int from agents a where a.project_id = ${projects.id} and a.terminated_at is null)`,
  workspaces: sql<number>`(select count(*)::int from workspaces w where w.project_id = ${projects.id} and w.status not in ('archiving', 'archived', 'expired'))`,
  merges: sql<number>`(select count(*)::int from merges g where g.project_id = ${projects.id} and g.state = 'done' and g.kind = 'merge')`,
  upstream: {
    status: upstreams.status,
    progress: upstreams.progress,
    error: upstreams.error,
    fetched_at: upstreams.fetched_at,
    pushed_at: upstreams.pushed_at,
    host_key: upstreams.host_key,
    last_fetch: upstreams.last_fetch,
    repository: sql<Upstream["repository"]>`(select json_build_object(
      'forge_id', r.forge_id, 'name', r.name, 'url', r.web_url,
      'branch_template', r.branch_template, 'body_template', r.body_template)
      from project_repositories r where r.project_id = ${projects.id})`,
  },
  credential: {
    kind: upstreamCredentials.kind,
    username: upstreamCredentials.username,
    hint: upstreamCredentials.hint,
    public_key: upstreamCredentials.public_key,
    fingerprint: upstreamCredentials.fingerprint,
    set_at: upstreamCredentials.set_at,
    set_by: upstreamCredentials.set_by,
  },
};

/** A stored project. The clone URL is derived from the slugs. */
export type ProjectRow = Omit<Project, "clone_url" | "counts" | "upstream"> & {
  upstream: Omit<Upstream, "url" | "ahead" | "behind" | "credential"> | null;
  credential: Upstream["credential"];
  org_slug: string;
  agents: number;
  workspaces: number;
  merges: number;
};

/** A deleted project's row exists for the ledger only. */
const notDeleted = isNull(projects.deleted_at);

function selectProjects(tx: Queryable) {
  return tx
    .select(projectColumns)
    .from(projects)
    .innerJoin(organizations, eq(organizations.id, projects.org_id))
    .leftJoin(upstreams, eq(upstreams.project_id, projects.id))
    .leftJoin(upstreamCredentials, eq(upstreamCredentials.project_id, projects.id));
}

/** @throws unique violation of `projects_org_slug_key` */
export async function insertProject(
  tx: Queryable,
  values: {
    id: string;
    org_id: string;
    name: string;
    slug: string;
    description: string | null;
    default_branch: string;
    import_url: string | null;
    home_node: string;
  },
): Promise<void> {
  await tx.insert(projects).values({ ...values, status: "importing" });
}

export async function findProject(tx: Queryable, id: string): Promise<ProjectRow | undefined> {
  const [row] = await selectProjects(tx).where(and(eq(projects.id, id), notDeleted));
  return row;
}

/** Finds the project of a git URL in any organization. Requires a system transaction. */
export async function findProjectBySlugs(
  db: Queryable,
  orgSlug: string,
  slug: string,
): Promise<ProjectRow | undefined> {
  const [row] = await selectProjects(db).where(
    and(
      sql`${projects.org_id} = (select org_id from organization_slugs s where s.slug = ${orgSlug})`,
      eq(projects.slug, slug),
      notDeleted,
    ),
  );
  return row;
}

export async function listProjects(
  db: Queryable,
  orgIds: string[],
  after: string | null,
  limit: number,
): Promise<ProjectRow[]> {
  return selectProjects(db)
    .where(
      and(
        sql`${projects.org_id} = any(${sql.param(orgIds)}::uuid[])`,
        after === null ? undefined : sql`${projects.id} > ${after}`,
        notDeleted,
      ),
    )
    .orderBy(asc(projects.id))
    .limit(limit);
}

export async function takenProjectSlugs(tx: Queryable, base: string): Promise<Set<string>> {
  const rows = await tx
    .select({ slug: projects.slug })
    .from(projects)
    .where(
      and(notDeleted, sql`(${projects.slug} = ${base} or ${projects.slug} like ${`${base}-%`})`),
    );
  return new Set(rows.map((row) => row.slug));
}

export async function updateProject(
  tx: Queryable,
  id: string,
  changes: Omit<PgUpdateSetSource<typeof projects>, "id" | "org_id">,
): Promise<void> {
  await tx
    .update(projects)
    .set({ ...changes, updated_at: sql`now()` })
    .where(eq(projects.id, id));
}

/** Restarts a failed import. Returns false if it is no longer failed. */
export async function retryImport(tx: Queryable, id: string): Promise<boolean> {
  const rows = await tx
    .update(projects)
    .set({ status: "importing", progress: 0, error: null, updated_at: sql`now()` })
    .where(and(eq(projects.id, id), eq(projects.status, "failed"), notDeleted))
    .returning({ id: projects.id });
  return rows.length > 0;
}

/** A project of any organization on the disk of a node. */
const onNode = (nodeId: string) => eq(projects.home_node, nodeId);

/** Lists projects of a node whose creation is unfinished. Requires a system transaction. */
export async function listUnfinishedProjects(
  db: Queryable,
  nodeId: string,
): Promise<{ id: string; org_id: string; import_url: string | null; default_branch: string }[]> {
  return db
    .select({
      id: projects.id,
      org_id: projects.org_id,
      import_url: projects.import_url,
      default_branch: projects.default_branch,
    })
    .from(projects)
    .where(and(eq(projects.status, "importing"), notDeleted, onNode(nodeId)));
}

/** Lists ready projects of a node. Requires a system transaction. */
export async function listReadyProjects(
  db: Queryable,
  nodeId: string,
): Promise<{ id: string; org_id: string }[]> {
  return db
    .select({ id: projects.id, org_id: projects.org_id })
    .from(projects)
    .where(and(eq(projects.status, "ready"), notDeleted, onNode(nodeId)));
}

/** Counts a project's running leased runs. With the organization's row locked, none can start. */
export async function countRunningElsewhere(tx: Queryable, id: string): Promise<number> {
  const rows = await tx
    .select({ id: runs.id })
    .from(runs)
    .innerJoin(agents, eq(agents.id, runs.agent_id))
    .where(and(eq(agents.project_id, id), eq(runs.kind, "leased"), eq(runs.status, "running")));
  return rows.length;
}

/** Marks a project as deleted and its agents as terminated, and deletes its upstream credentials. */
export async function markDeleted(tx: Queryable, id: string): Promise<void> {
  await tx.delete(upstreamCredentials).where(eq(upstreamCredentials.project_id, id));
  await tx
    .update(projects)
    .set({ deleted_at: sql`now()`, updated_at: sql`now()` })
    .where(eq(projects.id, id));
  await tx
    .update(agents)
    .set({ terminated_at: sql`now()`, updated_at: sql`now()` })
    .where(and(eq(agents.project_id, id), isNull(agents.terminated_at)));
}

/** Frees the names of a deleted project's agents. */
export async function releaseAgentNames(db: Database, orgId: string, id: string): Promise<void> {
  await db.tenant(orgId, (tx) =>
    tx
      .update(agents)
      .set({ name_released: true })
      .where(and(eq(agents.project_id, id), eq(agents.name_released, false))),
  );
}

/** Records that a deleted project was removed from disk. */
export async function markRemoved(tx: Queryable, id: string): Promise<void> {
  await tx
    .update(projects)
    .set({ removed_at: sql`now()` })
    .where(eq(projects.id, id));
}

/** Lists deleted projects that are still on the disk of a node. Requires a system transaction. */
export async function listProjectsToRemove(
  db: Queryable,
  nodeId: string,
): Promise<{ id: string; org_id: string }[]> {
  return db
    .select({ id: projects.id, org_id: projects.org_id })
    .from(projects)
    .where(and(isNotNull(projects.deleted_at), isNull(projects.removed_at), onNode(nodeId)));
}
