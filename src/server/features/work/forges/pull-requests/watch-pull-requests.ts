import { inTurns } from "../in-turns.js";
import { withForgeErrors } from "../use-forge.js";
import {
  advance,
  isRefusal,
  refresh,
  withPullRequest,
  type PullRequestDeps,
} from "./advance-pull-request.js";
import { followBranch } from "./follow-branch.js";
import { finishMerged } from "./finish-pull-request.js";
import * as queries from "./pull-requests.queries.js";
import type { PullRequestRow } from "./pull-requests.queries.js";

/** Interval of asking forges for the state of open requests. */
const LOOK_MS = 30_000;

/** What can give a request further commits, and what follows a merge. */
const watched: ReadonlySet<string> = new Set(["tasks", "workspaces", "upstreams"]);

/**
 * Asks the forges for the state of open requests every 30 s, goes on with those that an earlier process has left, pushes
 * further commits, and finishes the tasks of merged ones. A change of a task or an upstream is checked immediately.
 */
export function watchPullRequests(
  deps: PullRequestDeps,
  lookMs = LOOK_MS,
): { stop(): Promise<void> } {
  const { db, log } = deps;
  let hasEnded = false;
  const working = new Set<Promise<unknown>>();
  const track = (work: Promise<unknown>): void => {
    working.add(work);
    void work.finally(() => working.delete(work));
  };

  const handle = async (orgId: string, id: string, asks: boolean): Promise<void> => {
    if (hasEnded) return;
    try {
      await withPullRequest(deps, orgId, id, (row) => goOn(deps, row, asks));
    } catch (error) {
      if (isRefusal(error)) log.debug({ err: error, pull_request: id }, "a forge refuses");
      else log.error({ err: error, pull_request: id }, "cannot look at a pull request");
    }
  };

  // Each organization is asked on its own: a forge that hangs delays only its own.
  const regular = inTurns(async (orgId) => {
    const due = await db.tenant(orgId, (tx) => queries.listWatched(tx, db.node.id));
    for (const { id, is_due } of due) await handle(orgId, id, is_due);
  });
  const look = async (): Promise<void> => {
    if ((await db.maintenance()) !== null) return;
    const found = await db.withSystem("find open pull requests", (tx) =>
      queries.listWatched(tx, db.node.id),
    );
    for (const orgId of new Set(found.map(({ org_id }) => org_id))) regular.request(orgId);
  };
  let looking: Promise<void> | null = null;
  const lookRegularly = (): void => {
    looking ??= look()
      .catch((error: unknown) => log.warn({ err: error }, "cannot look at the pull requests"))
      .finally(() => {
        looking = null;
      });
  };

  // Organizations that are being checked; true for those that have changed since.
  const changed = new Map<string, boolean>();
  const lookAt = async (orgId: string): Promise<void> => {
    while (changed.get(orgId) === true) {
      changed.set(orgId, false);
      const waiting = await db.tenant(orgId, (tx) => queries.listWaiting(tx, db.node.id));
      if (waiting.length > 0 && (await db.maintenance()) === null) {
        for (const id of waiting) await handle(orgId, id, false);
      }
    }
  };
  const request = (orgId: string): void => {
    if (hasEnded) return;
    const isUnderWay = changed.has(orgId);
    changed.set(orgId, true);
    if (isUnderWay) return;
    const work = lookAt(orgId)
      .catch((error: unknown) => log.warn({ err: error }, "cannot look at the pull requests"))
      .finally(() => changed.delete(orgId));
    track(work);
  };

  const unsubscribe = db.changes.subscribe((change) => {
    if (change === null) lookRegularly();
    else if (change.orgId !== null && watched.has(change.table)) request(change.orgId);
  });
  const timer = setInterval(lookRegularly, lookMs);
  timer.unref();
  lookRegularly();
  return {
    stop: async () => {
      hasEnded = true;
      unsubscribe();
      clearInterval(timer);
      await looking;
      await regular.end();
      await Promise.all(working);
    },
  };
}

/** @param asks whether the forge may be asked now */
async function goOn(deps: PullRequestDeps, found: PullRequestRow, asks: boolean): Promise<void> {
  const row = await followed(deps, found);
  if (row.state === "merged") {
    await finishMerged(deps, row);
    return;
  }
  if (row.state === "opening") {
    // One whose request failed waits for another request; one whose server was killed goes on.
    if (row.error === null && asks) await advance(deps, row);
    return;
  }
  if (row.state === "closed") return;
  const place = await deps.db.tenant(row.org_id, (tx) => queries.findPlace(tx, row.id));
  const isBehind = place?.is_linked === true && place.head_commit !== row.pushed_sha;
  if (isBehind && (await deps.db.tenant(row.org_id, (tx) => queries.isPushDue(tx, row.id)))) {
    await advance(deps, row);
  } else if (asks) {
    const isChanged = await withForgeErrors(() => refresh(deps, row));
    if (isChanged) await deps.db.tenant(row.org_id, (tx) => queries.insertFound(tx, row.id));
  }
}

/** Takes over what people have pushed to the branch on the forge, and reads the request again. */
async function followed(deps: PullRequestDeps, row: PullRequestRow): Promise<PullRequestRow> {
  const { org_id, id, head_sha, pushed_sha } = row;
  if (head_sha === pushed_sha) return row;
  await followBranch(deps, org_id, id);
  return (await deps.db.tenant(org_id, (tx) => queries.findRow(tx, id))) ?? row;
}
