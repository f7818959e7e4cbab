/** Upstream operations after the import: started by a request, run in the background. */
import { sql } from "drizzle-orm";
import type { Project } from "#shared/api/code/projects.js";
import { originOf } from "../../../../db/audit/audit.js";
import { newId } from "../../../../db/tables/columns.js";
import type { UpstreamOperation } from "../../../../db/tables/tables.js";
import { AppError, invalidField } from "../../../../errors.js";
import { pushUpstream } from "#git/upstream/push-upstream.js";
import { resolveCommit } from "#git/store/repository.js";
import type { UpstreamOptions } from "#git/upstream/upstream-connection.js";
import { denyMissingPermission, requirePermission } from "../../../../access/access.js";
import type { OrgContext } from "../../../../http/requests/request-context.js";
import { fetchProject } from "./fetch-project.js";
import * as queries from "../projects.queries.js";
import { storeLock, readProject, requireUpstream, type ProjectDeps } from "../project.js";
import { accessUpstream, progressWriter, describeFailure } from "./upstream-access.js";
import * as upstreams from "./upstreams.queries.js";

/**
 * Starts a fetch, or restarts a failed import.
 * @throws AppError 404; 409 `no_upstream`, `upstream_busy`
 */
export async function startFetch(
  deps: ProjectDeps,
  context: OrgContext,
  id: string,
): Promise<Project> {
  const ids = { org_id: context.orgId, project_id: id };
  const isImport = await context.change(async (tx) => {
    const { status } = await requireUpstream(tx, id);
    if (status === "importing") throw busy();
    if (status === "failed") {
      if (!(await queries.retryImport(tx, id))) throw busy();
      return true;
    }
    await begin(tx, id, { id: newId(), origin: originOf(context), push: null });
    return false;
  });
  await deps.jobs.send(isImport ? "import-project" : "use-upstream", ids);
  return readProject(deps, context, id);
}

/**
 * Starts a push of a branch at its current commit; later commits are not included.
 * @throws AppError 403; 404; 409 `no_upstream`, `project_not_ready`, `upstream_busy`; 422
 */
export async function startPush(
  deps: ProjectDeps,
  context: OrgContext,
  id: string,
  wanted: string | undefined,
): Promise<Project> {
  // A push writes to another repository on behalf of the project.
  requirePermission(context.access, "project:git:write");
  const project = await context.tx((tx) => requireUpstream(tx, id));
  if (project.status !== "ready") {
    throw new AppError(
      "project_not_ready",
      "The project is not imported yet; check its status page.",
    );
  }
  const branch = wanted ?? project.default_branch;
  const repoPath = deps.storage.repository(context.orgId, id);
  const commit = await resolveCommit(repoPath, `refs/heads/${branch}`);
  if (commit === null) throw invalidField("branch", `is not a branch: ${branch}`, "unknown_id");
  await context.change(async (tx, _tell, access) => {
    denyMissingPermission(access, "project:git:write");
    await begin(tx, id, { id: newId(), origin: originOf(context), push: { branch, commit } });
  });
  await deps.jobs.send("use-upstream", { org_id: context.orgId, project_id: id });
  return readProject(deps, context, id);
}

/**
 * Cancels a fetch in any process. Branches it has already moved keep their commits. A push cannot be
 * canceled, because it is unknown how much of it has arrived.
 * @throws AppError 404; 409 `no_upstream`, `nothing_to_cancel`
 */
export async function cancelFetch(
  deps: ProjectDeps,
  context: OrgContext,
  id: string,
): Promise<Project> {
  await context.change(async (tx, audit) => {
    const { name } = await requireUpstream(tx, id);
    if (!(await upstreams.endFetch(tx, id))) {
      throw new AppError("nothing_to_cancel", "No fetch is in progress; it may have just ended.");
    }
    audit({ action: "project.upstream_fetch_cancelled", target: { type: "project", id, name } });
  });
  return readProject(deps, context, id);
}

async function begin(
  tx: Parameters<typeof upstreams.beginOperation>[0],
  id: string,
  operation: UpstreamOperation,
): Promise<void> {
  if (!(await upstreams.beginOperation(tx, id, operation))) throw busy();
}

function busy(): AppError {
  return new AppError(
    "upstream_busy",
    "The project is being imported, fetched or pushed; wait until that has ended.",
  );
}

/** Runs the operation in the upstream's row. An idempotent job for any process. */
export async function runUpstream(
  deps: ProjectDeps,
  ids: { org_id: string; project_id: string },
  signal: AbortSignal,
): Promise<void> {
  const { org_id: orgId, project_id: id } = ids;
  await deps.db.locks(orgId, [storeLock(id)], async () => {
    const { project, act: operation } = await deps.db.tenant(orgId, async (tx) => ({
      project: await queries.findProject(tx, id),
      act: await upstreams.findOperation(tx, id),
    }));
    if (operation === null || project?.status !== "ready" || project.import_url === null) return;
    const url = project.import_url;
    const progress = progressWriter((percent) =>
      deps.db.tenant(orgId, async (tx) => {
        await upstreams.updateOperation(tx, id, operation, { progress: percent });
      }),
    );
    const cancelling = abortOnCancel(deps, ids, operation);
    try {
      const access = await accessUpstream(deps, { ...ids, url });
      const options = {
        ...access,
        signal: AbortSignal.any([signal, cancelling.signal]),
        onProgress: progress.onProgress,
      };
      if (operation.push === null) {
        const { origin } = operation;
        const report = await fetchProject(deps, { ...ids, url }, project.upstream, origin, options);
        await progress.written();
        await finishFetch(deps, ids, project.name, operation, report);
      } else {
        const repoPath = deps.storage.repository(orgId, id);
        await pushUpstream(
          repoPath,
          url,
          operation.push.branch,
          operation.push.commit,
          withoutLimit(options),
        );
        await progress.written();
        await finishPush(deps, ids, project.name, operation, operation.push);
      }
    } catch (error) {
      // The server is stopping; the next start resumes the operation.
      if (signal.aborted) throw error;
      await progress.written();
      if (cancelling.signal.aborted) return;
      const what = operation.push === null ? "fetch" : "push";
      const sentence = describeFailure(deps, id, what, error);
      await deps.db.tenant(orgId, (tx) =>
        upstreams.updateOperation(tx, id, operation, {
          status: "failed",
          error: sentence,
          act: null,
        }),
      );
    } finally {
      cancelling.end();
    }
  });
}

/** Returns a signal that is aborted when any process cancels or replaces the operation. */
function abortOnCancel(
  { db }: ProjectDeps,
  { org_id, project_id: id }: { org_id: string; project_id: string },
  operation: UpstreamOperation,
): { signal: AbortSignal; end(): void } {
  const controller = new AbortController();
  const look = async (): Promise<void> => {
    const now = await db.tenant(org_id, (tx) => upstreams.findOperation(tx, id));
    if (now?.id !== operation.id) controller.abort();
  };
  // Null: changes may have been missed.
  const end = db.changes.subscribe((change) => {
    if (change !== null && (change.table !== "upstreams" || change.id !== id)) return;
    look().catch(() => {});
  });
  // It may have been canceled before the subscription.
  look().catch(() => {});
  return { signal: controller.signal, end };
}

/** A push sends objects that were within the limit when they arrived. */
function withoutLimit({ maxBytes: _limit, ...options }: UpstreamOptions): UpstreamOptions {
  return options;
}

const done = { status: "idle", progress: 100, error: null, act: null } as const;

async function finishFetch(
  deps: ProjectDeps,
  { org_id, project_id: id }: { org_id: string; project_id: string },
  name: string,
  operation: UpstreamOperation,
  report: Awaited<ReturnType<typeof fetchProject>>,
): Promise<void> {
  await deps.db.change(org_id, operation.origin, async (tx, audit) => {
    const fetched_at = sql`clock_timestamp()`;
    const finished = { ...done, fetched_at, last_fetch: report };
    if (!(await upstreams.updateOperation(tx, id, operation, finished))) return;
    if (!(await queries.findProject(tx, id))) return;
    const moved = [...report.created, ...report.updated];
    audit({
      action: "project.upstream_fetched",
      target: { type: "project", id, name },
      changes: moved.length > 0 ? { branches: { from: null, to: moved.join(", ") } } : {},
    });
  });
}

async function finishPush(
  deps: ProjectDeps,
  { org_id, project_id: id }: { org_id: string; project_id: string },
  name: string,
  { origin }: UpstreamOperation,
  { branch, commit }: { branch: string; commit: string },
): Promise<void> {
  await deps.db.change(org_id, origin, async (tx, audit) => {
    await upstreams.updateUpstream(tx, id, { ...done, pushed_at: sql`clock_timestamp()` });
    if (!(await queries.findProject(tx, id))) return;
    audit({
      action: "project.upstream_pushed",
      target: { type: "project", id, name },
      changes: { branch: { from: null, to: branch }, commit: { from: null, to: commit } },
    });
  });
}
