/** What happens to reviews without a request: prompts that were not sent, and checks that begin with the review. */
import { AppError } from "../../../errors.js";
import { checkInReview, listOrganizationsInReview } from "../../code/workspaces/index.js";
import type { RunDeps } from "../../execution/runs/start.js";
import { contextOf, inTurnsOfOrganizations } from "../tasks/index.js";
import { deliverReview } from "./deliver-review.js";
import { continueOpinions } from "./opinions/end-opinions.js";
import * as queries from "./reviews.queries.js";

/** Interval of looking for reviews whose prompt was not sent, and how long a request may take to send its own. */
const LOOK_MS = 30_000;
const REQUEST_SECONDS = 120;

/** Sends the reviews of an organization on this node that an earlier process, or a failure, has left unsent. */
async function deliverLeft(deps: RunDeps, orgId: string, seconds: number): Promise<void> {
  const { db, log } = deps;
  const left = await db.tenant(orgId, (tx) => queries.listPending(tx, db.node.id, seconds));
  for (const { id, org_id, origin } of left) {
    try {
      await deliverReview(deps, await contextOf(deps, { org_id, origin }), id);
    } catch (error) {
      if (error instanceof AppError && error.code === "stale") continue;
      log.warn({ err: error, review: id }, "a review cannot be sent to its agent");
      // It shows as canceled; a reviewer can send another one.
      if (!(error instanceof AppError) || error.status >= 500) continue;
      await db.tenant(org_id, (tx) => queries.setPromptState(tx, id, "failed"));
    }
  }
}

/**
 * Looks regularly for reviews that were not sent, and begins the checks of changes in review; those at once after a
 * change of a task. What takes long in one organization delays no other.
 */
export function startReviewWatch(deps: RunDeps): { stop(): Promise<void> } {
  const { db, log } = deps;
  const startedAt = performance.now();
  /** What an earlier process has left is sent at once, and again until that succeeds; the requests of this one have time. */
  const age = (): number => Math.min(REQUEST_SECONDS, (performance.now() - startedAt) / 1000);
  const organizations = inTurnsOfOrganizations(async (orgId, isRegular) => {
    try {
      if ((await db.maintenance()) !== null) return;
      if (isRegular) await deliverLeft(deps, orgId, age());
      await checkInReview(deps.workspaces, orgId);
    } catch (error) {
      log.warn({ err: error, org_id: orgId }, "cannot look at the reviews of an organization");
    }
  });
  const lookEverywhere = async (): Promise<void> => {
    if ((await db.maintenance()) !== null) return;
    const found = await db.withSystem("find organizations with reviews", async (tx) => [
      ...(await queries.listPending(tx, db.node.id, age())).map(({ org_id }) => org_id),
      ...(await listOrganizationsInReview(tx, db.node.id)),
    ]);
    for (const orgId of new Set(found)) organizations.request(orgId, true);
    await continueOpinions(deps);
  };
  let looking: Promise<void> | null = null;
  const look = (): void => {
    looking ??= lookEverywhere()
      .catch((error: unknown) => log.warn({ err: error }, "cannot look at the reviews"))
      .finally(() => {
        looking = null;
      });
  };
  const unsubscribe = db.changes.subscribe((change) => {
    if (change === null || change.orgId === null) return;
    // A further commit changes nothing of a task that is in review.
    if (change.table === "tasks" || change.table === "workspaces") {
      organizations.request(change.orgId, false);
    }
  });
  const timer = setInterval(look, LOOK_MS);
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
