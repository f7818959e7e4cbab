import type {
  Environment,
  EnvironmentBuild,
  NewEnvironment,
} from "#shared/api/execution/environments.js";
import { canonicalJson } from "#shared/organization/audit.js";
import { resolveCommit } from "#git/store/repository.js";
import { environmentKeyOf } from "#git/worktree/environment-key.js";
import type { Storage } from "../../../data-folder/storage.js";
import { diffFields } from "../../../db/audit/audit.js";
import type { Database, Queryable } from "../../../db/connection/connect.js";
import { newId } from "../../../db/tables/columns.js";
import { AppError, notFound } from "../../../errors.js";
import type { OrgContext } from "../../../http/requests/request-context.js";
import type { Jobs } from "../../../jobs/queue.js";
import { isPerson } from "../../../access/authenticate.js";
import * as queries from "./environments.queries.js";

export interface EnvironmentDeps {
  db: Database;
  storage: Storage;
  jobs: Pick<Jobs, "send">;
}

/** The environment of a project that has none. */
const NONE: NewEnvironment = {
  setup_script: "",
  cache_key_files: [],
  variables: {},
  allowed_hosts: null,
  network: "none",
};

/** @throws AppError 404 */
export async function readEnvironment(tx: Queryable, projectId: string): Promise<Environment> {
  const project = await queries.findProject(tx, projectId);
  if (!project) throw notFound();
  const found = await queries.findEnvironment(tx, projectId);
  const branch = project.default_branch;
  const newest = await queries.findNewest(tx, projectId, { branch });
  const good = await queries.findLastGood(tx, projectId, branch);
  return {
    ...(found ?? { ...NONE, updated_at: null }),
    last_good_build_id: good?.id ?? null,
    problem: problemOf(newest, good),
  };
}

function problemOf(
  newest: EnvironmentBuild | undefined,
  good: EnvironmentBuild | undefined,
): string | null {
  if (newest?.status !== "failed" && newest?.status !== "cancelled") return null;
  const instead =
    good === undefined
      ? "New workspaces get no layer."
      : `New workspaces get the layer of ${good.created_at.slice(0, 16).replace("T", " ")} UTC instead.`;
  const ended = newest.status === "failed" ? "failed" : "was canceled";
  return `The last build ${ended}: ${newest.detail ?? ""} ${instead}`;
}

/** The longest script that the audit log quotes. */
const MAX_QUOTED = 4000;

const audited = (values: NewEnvironment) => ({
  ...values,
  setup_script:
    values.setup_script.length > MAX_QUOTED
      ? `${values.setup_script.slice(0, MAX_QUOTED)}…`
      : values.setup_script,
  // Their values may be long, and are shown with the environment.
  variables: Object.keys(values.variables).toSorted(),
});

/**
 * Replaces the environment of a project, and builds it for the default branch if that has no layer yet.
 * @throws AppError 403 for an agent; 404
 */
export async function setEnvironment(
  deps: EnvironmentDeps,
  context: OrgContext,
  projectId: string,
  values: NewEnvironment,
): Promise<Environment> {
  requirePerson(context);
  await context.change(async (tx, audit) => {
    const project = await queries.findProject(tx, projectId);
    if (!project) throw notFound();
    const found = await queries.findEnvironment(tx, projectId);
    const before = { ...NONE, ...found };
    const fields = Object.keys(NONE) as (keyof NewEnvironment)[];
    const isSame = fields.every(
      (field) => canonicalJson(before[field]) === canonicalJson(values[field]),
    );
    if (found && isSame) return;
    await queries.putEnvironment(tx, { org_id: context.orgId, project_id: projectId }, values);
    audit({
      action: "project.environment_set",
      target: { type: "project", id: projectId, name: project.name },
      changes: diffFields(audited(before), audited(values), fields),
    });
  });
  if (values.setup_script !== "") {
    const base = await findBase(deps, context, projectId);
    const ids = { org_id: context.orgId, project_id: projectId };
    if (base !== null) await environmentFor(deps, ids, base);
  }
  return context.tx((tx) => readEnvironment(tx, projectId));
}

/** An agent must not decide what other agents run, nor which hosts it reaches. @throws AppError 403 */
function requirePerson({ actor }: OrgContext): void {
  if (isPerson(actor)) return;
  throw new AppError(
    "insufficient_permission",
    "Only people may change and build the environment of a project.",
  );
}

/** A branch with its newest commit. */
export interface Base {
  branch: string;
  commit: string;
}

/** Returns the default branch; null without a commit. */
async function findBase(
  { storage }: EnvironmentDeps,
  context: OrgContext,
  projectId: string,
): Promise<Base | null> {
  const project = await context.tx((tx) => queries.findProject(tx, projectId));
  if (project?.status !== "ready") return null;
  const repoPath = storage.repository(context.orgId, projectId);
  const branch = project.default_branch;
  const commit = await resolveCommit(repoPath, `refs/heads/${branch}`);
  return commit === null ? null : { branch, commit };
}

/**
 * Builds the environment for the default branch, whether it has a layer or not. Returns a build under way
 * instead of a second one of the same key.
 * @throws AppError 403 for an agent; 404; 409 `no_setup_script`, `project_not_ready`
 */
export async function buildNow(
  deps: EnvironmentDeps,
  context: OrgContext,
  projectId: string,
): Promise<EnvironmentBuild> {
  requirePerson(context);
  const { project, found } = await context.tx(async (tx) => ({
    project: await queries.findProject(tx, projectId),
    found: await queries.findEnvironment(tx, projectId),
  }));
  if (!project) throw notFound();
  if (found === undefined || found.setup_script === "") {
    throw new AppError(
      "no_setup_script",
      "The environment has no setup script to run; set one first.",
    );
  }
  const base = await findBase(deps, context, projectId);
  if (base === null) {
    throw new AppError(
      "project_not_ready",
      "The project's default branch has no commit yet; try again when it has one.",
    );
  }
  const repoPath = deps.storage.repository(context.orgId, projectId);
  const key = await environmentKeyOf(repoPath, base, found);
  const { updated_at: _, ...definition } = found;
  const wanted = {
    id: newId(),
    org_id: context.orgId,
    project_id: projectId,
    key,
    branch: base.branch,
    commit_sha: base.commit,
    definition,
  };
  const build = await context.change(async (tx, audit) => {
    const inserted = await queries.insertBuild(tx, wanted);
    if (inserted.id === wanted.id) {
      audit({
        action: "project.environment_built",
        target: { type: "project", id: projectId, name: project.name },
        changes: { build_id: { from: null, to: wanted.id } },
      });
    }
    return inserted;
  });
  await deps.jobs.send("start-checks", {});
  return build;
}

/** The environment of a working tree. */
export interface ChosenEnvironment {
  /** The build whose layer it gets or waits for; null for nothing. */
  build: EnvironmentBuild | null;
  /** Whether the build is under way. */
  isWaiting: boolean;
}

/**
 * Returns the build whose layer belongs to a branch, and queues it if there is none. If it has failed, the
 * newest layer of the branch takes its place.
 * @throws GitError
 */
export async function environmentFor(
  deps: EnvironmentDeps,
  { org_id, project_id }: { org_id: string; project_id: string },
  { branch, commit }: Base,
): Promise<ChosenEnvironment> {
  const { db, storage } = deps;
  const found = await db.read(org_id, (tx) => queries.findEnvironment(tx, project_id));
  if (found === undefined || found.setup_script === "") return { build: null, isWaiting: false };
  const repoPath = storage.repository(org_id, project_id);
  const key = await environmentKeyOf(repoPath, { branch, commit }, found);
  const { updated_at: _, ...definition } = found;
  const [build, isNew] = await db.tenant(org_id, async (tx) => {
    const newest = await queries.findNewest(tx, project_id, { key });
    if (newest !== undefined && (newest.layer_bytes !== null || newest.status !== "succeeded")) {
      return [newest, false] as const;
    }
    const ids = { id: newId(), org_id, project_id };
    const wanted = { ...ids, key, branch, commit_sha: commit, definition };
    return [await queries.insertBuild(tx, wanted), true] as const;
  });
  if (isNew) await deps.jobs.send("start-checks", {});
  return chosen(deps, org_id, project_id, build);
}

/** As `environmentFor`, for a build that was chosen before. */
export async function environmentOfBuild(
  deps: EnvironmentDeps,
  { org_id, project_id }: { org_id: string; project_id: string },
  buildId: string,
): Promise<ChosenEnvironment> {
  const build = await deps.db.tenant(org_id, (tx) => queries.findBuild(tx, buildId));
  return build === undefined
    ? { build: null, isWaiting: false }
    : chosen(deps, org_id, project_id, build);
}

async function chosen(
  { db }: EnvironmentDeps,
  orgId: string,
  projectId: string,
  build: EnvironmentBuild,
): Promise<ChosenEnvironment> {
  if (build.status === "queued" || build.status === "running") return { build, isWaiting: true };
  if (build.layer_bytes !== null) return { build, isWaiting: false };
  const good = await db.tenant(orgId, (tx) => queries.findLastGood(tx, projectId, build.branch));
  return { build: good ?? null, isWaiting: false };
}

/** Explains for a run's log that a workspace without a layer lacks it because the build has failed; or null. */
export async function explainMissingLayer(
  tx: Queryable,
  { project_id, base_branch }: { project_id: string; base_branch: string },
): Promise<string | null> {
  const found = await queries.findEnvironment(tx, project_id);
  if (found === undefined || found.setup_script === "") return null;
  const newest = await queries.findNewest(tx, project_id, { branch: base_branch });
  if (newest?.status !== "failed" && newest?.status !== "cancelled") return null;
  const { id, run_id, detail } = newest;
  return [
    `The run has no environment: build ${id} ${newest.status === "failed" ? "failed" : "was canceled"}.`,
    ...(detail === null ? [] : [detail]),
    ...(run_id === null ? [] : [`Read its log: omoi logs ${run_id}`]),
  ].join(" ");
}
