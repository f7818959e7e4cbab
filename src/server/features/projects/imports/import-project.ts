/** Bringing in the repository that a project is made of. */
import { sql } from "drizzle-orm";
import { systemOrigin } from "../../../db/audit/audit.js";
import { cloneUpstream } from "#git/upstream/fetch-upstream.js";
import * as queries from "../projects.queries.js";
import type { ProjectDeps } from "../project.js";
import { accessUpstream, progressWriter, sentenceOf } from "../upstreams/upstream-access.js";
import * as upstreams from "../upstreams/upstreams.queries.js";

/** The lock that everything holds which brings into a project's store, or removes it. */
export const storeLock = (projectId: string): string => `import ${projectId}`;

/** Brings one import in; run by the job queue, in any process, any number of times. */
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
      await progress.settled();
      await deps.db.change(orgId, systemOrigin, async (tx, audit) => {
        await queries.updateProject(tx, id, {
          status: "ready",
          progress: 100,
          error: null,
          default_branch: defaultBranch,
          imported_at: sql`clock_timestamp()`,
        });
        await upstreams.updateUpstream(tx, id, { fetched_at: sql`clock_timestamp()` });
        // It may have been deleted meanwhile.
        if (!(await queries.findProject(tx, id))) return;
        audit({ action: "project.imported", target });
      });
    } catch (error) {
      // Stopping: the next start takes it up again.
      if (signal.aborted) throw error;
      await progress.settled();
      const sentence = sentenceOf(deps, id, "import", error);
      await deps.db.change(orgId, systemOrigin, async (tx, audit) => {
        await queries.updateProject(tx, id, { status: "failed", error: sentence });
        if (!(await queries.findProject(tx, id))) return;
        audit({ action: "project.import_failed", target });
      });
    }
  });
}
