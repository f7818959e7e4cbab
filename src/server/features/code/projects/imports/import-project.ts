/** Imports the repository of a project. */
import { sql } from "drizzle-orm";
import { systemOrigin } from "../../../../db/audit/audit.js";
import { cloneUpstream } from "#git/upstream/fetch-upstream.js";
import * as queries from "../projects.queries.js";
import { storeLock, type ProjectDeps } from "../project.js";
import { accessUpstream, progressWriter, describeFailure } from "../upstreams/upstream-access.js";
import * as upstreams from "../upstreams/upstreams.queries.js";

/** Runs an import. An idempotent job for any process. */
export async function runImport(
  deps: ProjectDeps,
  ids: { org_id: string; project_id: string },
  signal: AbortSignal,
): Promise<void> {
  const { org_id: orgId, project_id: id } = ids;
  await deps.db.locks(orgId, [storeLock(id)], async () => {
    const project = await deps.db.tenant(orgId, (tx) => queries.findProject(tx, id));
    if (project?.status !== "importing" || project.import_url === null) return;
    const target = { type: "project", id, name: project.name } as const;
    const progress = progressWriter((percent) =>
      deps.db.tenant(orgId, (tx) => queries.updateProject(tx, id, { progress: percent })),
    );
    try {
      const access = await accessUpstream(deps, { ...ids, url: project.import_url });
      const repoPath = deps.storage.repository(orgId, id);
      const { onProgress } = progress;
      const options = { ...access, signal, onProgress };
      const { defaultBranch } = await cloneUpstream(repoPath, project.import_url, options);
      await progress.written();
      await deps.db.change(orgId, systemOrigin, async (tx, audit) => {
        await queries.updateProject(tx, id, {
          status: "ready",
          progress: 100,
          error: null,
          default_branch: defaultBranch,
          imported_at: sql`clock_timestamp()`,
        });
        await upstreams.updateUpstream(tx, id, { fetched_at: sql`clock_timestamp()` });
        // The project may have been deleted meanwhile.
        if (!(await queries.findProject(tx, id))) return;
        audit({ action: "project.imported", target });
      });
    } catch (error) {
      // The server is stopping; the next start resumes the import.
      if (signal.aborted) throw error;
      await progress.written();
      const sentence = describeFailure(deps, id, "import", error);
      await deps.db.change(orgId, systemOrigin, async (tx, audit) => {
        await queries.updateProject(tx, id, { status: "failed", error: sentence });
        if (!(await queries.findProject(tx, id))) return;
        audit({ action: "project.import_failed", target });
      });
    }
  });
}
