/** Environments of projects, and their builds. */
import { and, desc, eq, inArray, isNotNull, isNull, lt, sql } from "drizzle-orm";
import type {
  Environment,
  EnvironmentBuild,
  NewEnvironment,
} from "#shared/api/execution/environments.js";
import { isHome } from "../../../cluster/home-of.js";
import type { Queryable } from "../../../db/connection/connect.js";
import {
  environmentBuilds,
  environments,
  organizations,
  projects,
  runs,
} from "../../../db/tables/tables.js";
import { workspaces } from "../../../db/tables/workspace-tables.js";

/** Layers of a default branch that are kept for new workspaces: the newest ones. */
const KEPT_LAYERS = 3;
/** Other branches of a project with one kept layer each: those with the newest ones. */
const KEPT_BRANCHES = 5;

const builds = environmentBuilds;

/** A project whose environment is read. */
export interface ProjectRow {
  name: string;
  default_branch: string;
  status: string;
}

export async function findProject(
  tx: Queryable,
  projectId: string,
): Promise<ProjectRow | undefined> {
  const [row] = await tx
    .select({
      name: projects.name,
      default_branch: projects.default_branch,
      status: projects.status,
    })
    .from(projects)
    .where(and(eq(projects.id, projectId), isNull(projects.deleted_at)));
  return row;
}

const environmentColumns = {
  setup_script: environments.setup_script,
  cache_key_files: environments.cache_key_files,
  variables: environments.variables,
  allowed_hosts: environments.allowed_hosts,
  network: environments.network,
  updated_at: environments.updated_at,
};

/** Returns undefined for a project without an environment. */
export async function findEnvironment(
  tx: Queryable,
  projectId: string,
): Promise<Omit<Environment, "last_good_build_id" | "problem"> | undefined> {
  const [row] = await tx
    .select(environmentColumns)
    .from(environments)
    .where(eq(environments.project_id, projectId));
  return row;
}

export async function putEnvironment(
  tx: Queryable,
  ids: { org_id: string; project_id: string },
  values: NewEnvironment,
): Promise<void> {
  const set = { ...values, updated_at: sql<string>`now()` };
  await tx
    .insert(environments)
    .values({ ...ids, ...set })
    .onConflictDoUpdate({ target: environments.project_id, set });
}

const buildColumns = {
  id: builds.id,
  key: builds.key,
  branch: builds.branch,
  commit_sha: builds.commit_sha,
  status: builds.status,
  run_id: builds.run_id,
  detail: builds.detail,
  layer_bytes: builds.layer_bytes,
  left_out: builds.left_out,
  left_out_count: builds.left_out_count,
  created_at: builds.created_at,
  started_at: builds.started_at,
  ended_at: builds.ended_at,
};

/** @param after the id of the previous page's last build; null starts with the newest */
export function listBuilds(
  tx: Queryable,
  projectId: string,
  after: string | null,
  limit: number,
): Promise<EnvironmentBuild[]> {
  return tx
    .select(buildColumns)
    .from(builds)
    .where(and(eq(builds.project_id, projectId), after === null ? undefined : lt(builds.id, after)))
    .orderBy(desc(builds.id))
    .limit(limit);
}

export async function findBuild(tx: Queryable, id: string): Promise<EnvironmentBuild | undefined> {
  const [row] = await tx.select(buildColumns).from(builds).where(eq(builds.id, id));
  return row;
}

/** Returns the id of the build that a run made. */
export async function findBuildOfRun(tx: Queryable, runId: string): Promise<string | undefined> {
  const [row] = await tx.select({ id: builds.id }).from(builds).where(eq(builds.run_id, runId));
  return row?.id;
}

/** Returns the newest build of a branch, or of a key. */
export async function findNewest(
  tx: Queryable,
  projectId: string,
  of: { branch: string } | { key: string },
): Promise<EnvironmentBuild | undefined> {
  const [row] = await tx
    .select(buildColumns)
    .from(builds)
    .where(
      and(
        eq(builds.project_id, projectId),
        "key" in of ? eq(builds.key, of.key) : eq(builds.branch, of.branch),
      ),
    )
    .orderBy(desc(builds.id))
    .limit(1);
  return row;
}

/** Returns the newest build of a branch that has a layer. */
export async function findLastGood(
  tx: Queryable,
  projectId: string,
  branch: string,
): Promise<EnvironmentBuild | undefined> {
  const [row] = await tx
    .select(buildColumns)
    .from(builds)
    .where(
      and(
        eq(builds.project_id, projectId),
        eq(builds.branch, branch),
        eq(builds.status, "succeeded"),
        isNotNull(builds.layer_bytes),
      ),
    )
    .orderBy(desc(builds.id))
    .limit(1);
  return row;
}

/** Queues a build unless one of its key is under way, and returns the one or the other. */
export async function insertBuild(
  tx: Queryable,
  build: {
    id: string;
    org_id: string;
    project_id: string;
    key: string;
    branch: string;
    commit_sha: string;
    definition: NewEnvironment;
  },
): Promise<EnvironmentBuild> {
  for (;;) {
    const [inserted] = await tx
      .insert(builds)
      .values({ ...build, status: "queued" })
      .onConflictDoNothing()
      .returning(buildColumns);
    if (inserted) return inserted;
    const [open] = await tx
      .select(buildColumns)
      .from(builds)
      .where(
        and(
          eq(builds.project_id, build.project_id),
          eq(builds.key, build.key),
          isNull(builds.ended_at),
        ),
      );
    // Otherwise it has ended since.
    if (open) return open;
  }
}

/** A build that a server process has taken. */
export interface TakenBuild {
  id: string;
  org_id: string;
  project_id: string;
  commit_sha: string;
  definition: NewEnvironment;
  run_id: string;
}

/**
 * Takes the next queued build of a node, of any organization: those with the fewest running builds come first.
 * Requires a system transaction.
 */
export async function takeBuild(
  db: Queryable,
  nodeId: string,
  runId: string,
  exceptOrgs: readonly string[],
): Promise<TakenBuild | undefined> {
  const next = sql`(
    select b.id from environment_builds b
    join projects p on p.id = b.project_id and p.deleted_at is null
      and p.home_node = ${nodeId}::uuid
    join organizations o on o.id = b.org_id and o.archived_at is null
    where b.status = 'queued' and b.org_id <> all(${sql.param([...exceptOrgs])}::uuid[])
    order by (select count(*) from environment_builds r
        where r.org_id = b.org_id and r.status = 'running' and r.ended_at is null),
      b.created_at, b.id
    limit 1 for update of b skip locked)`;
  const [row] = await db
    .update(builds)
    .set({
      status: "running",
      run_id: runId,
      attempts: sql`${builds.attempts} + 1`,
      started_at: sql`clock_timestamp()`,
      detail: null,
    })
    .where(sql`${builds.id} = ${next}`)
    .returning({
      id: builds.id,
      org_id: builds.org_id,
      project_id: builds.project_id,
      commit_sha: builds.commit_sha,
      definition: builds.definition,
    });
  return row && { ...row, run_id: runId };
}

/** Lists running builds of a node whose runs have ended, at most 100. Requires a system transaction. */
export function listEndedBuilds(db: Queryable, nodeId: string) {
  return db
    .select({
      id: builds.id,
      org_id: builds.org_id,
      project_id: builds.project_id,
      run_id: runs.id,
      attempts: builds.attempts,
      layer_bytes: builds.layer_bytes,
      detail: builds.detail,
      run_status: runs.status,
      run_detail: runs.detail,
      exit_code: runs.exit_code,
    })
    .from(builds)
    .innerJoin(runs, eq(runs.id, builds.run_id))
    .where(
      and(
        eq(builds.status, "running"),
        isNotNull(runs.ended_at),
        isHome(nodeId, builds.project_id),
      ),
    )
    .orderBy(builds.id)
    .limit(100);
}

/** A running build whose run has ended. */
export type EndedBuild = Awaited<ReturnType<typeof listEndedBuilds>>[number];

/** Records the layer of a build whose run has not ended yet, or why it has none. */
export async function recordLayer(
  tx: Queryable,
  runId: string,
  result: {
    layer_bytes: number | null;
    left_out: string[];
    left_out_count: number;
    detail: string | null;
  },
): Promise<void> {
  await tx
    .update(builds)
    .set(result)
    .where(and(eq(builds.run_id, runId), eq(builds.status, "running")));
}

/**
 * Ends a build, once. The layers of a project beyond the newest are no longer kept; returns the runs that
 * made them. The layers of a branch never supersede those of the default branch.
 */
export async function endBuild(
  tx: Queryable,
  { id, run_id, project_id }: Pick<EndedBuild, "id" | "run_id" | "project_id">,
  status: "succeeded" | "failed",
  detail: string | null,
): Promise<string[]> {
  const ended = await tx
    .update(builds)
    .set({
      status,
      detail,
      ended_at: sql`clock_timestamp()`,
      ...(status === "failed" && { layer_bytes: null }),
    })
    .where(and(eq(builds.id, id), eq(builds.run_id, run_id), isNull(builds.ended_at)))
    .returning({ id: builds.id });
  if (ended.length === 0 || status === "failed") return [];
  const superseded = await tx
    .update(builds)
    .set({ layer_bytes: null })
    .where(
      sql`${builds.id} in (
        select id from (
          select b.id, b.branch = p.default_branch as is_default,
            row_number() over (partition by b.branch order by b.id desc) as nth,
            row_number() over (partition by b.branch = p.default_branch order by b.id desc) as nth_of_all
          from environment_builds b join projects p on p.id = b.project_id
          where b.project_id = ${project_id} and b.layer_bytes is not null) ranked
        where case when is_default then nth > ${KEPT_LAYERS}
          else nth > 1 or nth_of_all > ${KEPT_BRANCHES} end)`,
    )
    .returning({ run_id: builds.run_id });
  return superseded.flatMap((row) => row.run_id ?? []);
}

/**
 * Queues a build again whose run says nothing about the script.
 * @param isCounted whether its start counts as an attempt
 */
export async function requeueBuild(
  tx: Queryable,
  { id, run_id }: Pick<EndedBuild, "id" | "run_id">,
  isCounted: boolean,
): Promise<void> {
  await tx
    .update(builds)
    .set({
      status: "queued",
      run_id: null,
      layer_bytes: null,
      detail: null,
      ...(!isCounted && { attempts: sql`${builds.attempts} - 1` }),
    })
    .where(and(eq(builds.id, id), eq(builds.run_id, run_id), isNull(builds.ended_at)));
}

/** Says what the queued builds of an organization wait for. */
export async function explainWait(tx: Queryable, orgId: string, detail: string): Promise<void> {
  await tx
    .update(builds)
    .set({ detail })
    .where(
      and(
        eq(builds.org_id, orgId),
        eq(builds.status, "queued"),
        sql`${builds.detail} is distinct from ${detail}`,
      ),
    );
}

/** Cancels the build of a run that a user stops. */
export async function cancelBuild(tx: Queryable, runId: string, detail: string): Promise<void> {
  await tx
    .update(builds)
    .set({ status: "cancelled", detail, layer_bytes: null, ended_at: sql`clock_timestamp()` })
    .where(and(eq(builds.run_id, runId), isNull(builds.ended_at)));
}

/** Whether a build of a node can start. Requires a system transaction. */
export async function hasQueuedBuilds(db: Queryable, nodeId: string): Promise<boolean> {
  const rows = await db
    .select({ id: builds.id })
    .from(builds)
    .innerJoin(projects, eq(projects.id, builds.project_id))
    .innerJoin(organizations, eq(organizations.id, builds.org_id))
    .where(
      and(
        eq(builds.status, "queued"),
        isNull(projects.deleted_at),
        eq(projects.home_node, nodeId),
        isNull(organizations.archived_at),
      ),
    )
    .limit(1);
  return rows.length > 0;
}

/** Deletes builds without a layer that ended long ago. Requires a system transaction. */
export async function deleteOldBuilds(db: Queryable, days: number): Promise<void> {
  await db
    .delete(builds)
    .where(
      and(
        isNull(builds.layer_bytes),
        lt(builds.ended_at, sql`now() - make_interval(days => ${days})`),
        sql`not exists (select from workspaces w where w.environment_build_id = ${builds.id})`,
      ),
    );
}

/** Cancels the open builds of a project that is being deleted. */
export async function cancelBuildsOf(tx: Queryable, projectId: string): Promise<void> {
  await tx
    .update(builds)
    .set({
      status: "cancelled",
      layer_bytes: null,
      detail: "The project was deleted.",
      ended_at: sql`clock_timestamp()`,
    })
    .where(and(eq(builds.project_id, projectId), isNull(builds.ended_at)));
}

/** Records that the layers of builds are gone. */
export async function forgetLayers(tx: Queryable, ids: readonly string[]): Promise<void> {
  await tx
    .update(builds)
    .set({ layer_bytes: null })
    .where(inArray(builds.id, [...ids]));
}

/**
 * Forgets all layers, of which a backup has none: workspaces choose again before their next run. `db` sees
 * all organizations.
 */
export async function forgetAllLayers(db: Queryable): Promise<void> {
  await db.update(builds).set({ layer_bytes: null }).where(isNotNull(builds.layer_bytes));
  await db
    .update(workspaces)
    .set({ environment_state: null, environment_build_id: null })
    .where(isNotNull(workspaces.environment_build_id));
}

/** Returns those of the runs whose layers are kept, or still being made. Requires a system transaction. */
export async function listWantedLayers(
  db: Queryable,
  runIds: readonly string[],
): Promise<string[]> {
  if (runIds.length === 0) return [];
  const rows = await db
    .select({ run_id: builds.run_id })
    .from(builds)
    .where(
      and(
        inArray(builds.run_id, [...runIds]),
        sql`(${builds.layer_bytes} is not null or ${builds.ended_at} is null)`,
      ),
    );
  return rows.flatMap(({ run_id }) => run_id ?? []);
}
