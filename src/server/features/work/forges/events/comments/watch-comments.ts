/** Keeps what the server shows on forges up to date: states of tasks, questions, threads and results of merge queues. */
import { sql } from "drizzle-orm";
import type { Queryable } from "../../../../../db/connection/connect.js";
import { ForgeError } from "../../forge.js";
import { exportThreads } from "../threads/export-threads.js";
import { inTurns } from "../../in-turns.js";
import type { WorkDeps } from "../work-deps.js";
import { linkFirings } from "./link-firings.js";
import { askOnForge } from "./questions.js";
import { showQueues } from "./show-queues.js";
import { showTasks } from "./status-comment.js";

/** Interval of looking for what a lost notification has left. */
const LOOK_MS = 10_000;
const watched: ReadonlySet<string> = new Set([
  "tasks",
  "task_issues",
  "review_threads",
  "merge_requests",
  "automation_firings",
]);

/** Lists the organizations with linked projects on a node. Requires a system transaction. */
async function listOrganizations(tx: Queryable, nodeId: string): Promise<string[]> {
  const { rows } = await tx.execute<{ org_id: string }>(sql`
    select distinct r.org_id from project_repositories r
    join projects p on p.id = r.project_id and p.deleted_at is null and p.home_node = ${nodeId}::uuid`);
  return rows.map(({ org_id }) => org_id);
}

export function watchComments(deps: WorkDeps, lookMs = LOOK_MS): { stop(): Promise<void> } {
  const { db, log } = deps;
  /** Organizations with linked projects: most have none. */
  let linked = new Set<string>();
  const organizations = inTurns(async (orgId) => {
    const onError = (error: unknown): void => {
      if (error instanceof ForgeError) log.debug({ err: error }, "a forge takes no comment");
      else log.warn({ err: error, org_id: orgId }, "cannot write a comment on a forge");
    };
    try {
      if ((await db.maintenance()) !== null) return;
      await linkFirings(deps, orgId);
      await showTasks(deps, orgId, onError);
      await askOnForge(deps, orgId, onError);
      await exportThreads(deps, orgId, onError);
      await showQueues(deps, orgId, onError);
    } catch (error) {
      onError(error);
    }
  });
  let looking: Promise<void> | null = null;
  const look = (): void => {
    looking ??= db
      .withSystem("find organizations with linked projects", (tx) =>
        listOrganizations(tx, db.node.id),
      )
      .then((found) => {
        linked = new Set(found);
        for (const orgId of found) organizations.request(orgId);
      })
      .catch((error: unknown) => log.warn({ err: error }, "cannot look at comments of forges"))
      .finally(() => {
        looking = null;
      });
  };
  const unsubscribe = db.changes.subscribe((change) => {
    if (change === null || change.table === "project_repositories") look();
    else if (change.orgId !== null && watched.has(change.table) && linked.has(change.orgId)) {
      organizations.request(change.orgId);
    }
  });
  const timer = setInterval(look, lookMs);
  timer.unref();
  look();
  return {
    stop: async () => {
      unsubscribe();
      clearInterval(timer);
      await looking;
      await organizations.end();
    },
  };
}
