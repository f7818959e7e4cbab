/** Fires what is due, and decides firings that wait: those of schedules, addresses and events of the product. */
import {
  claimSchedules,
  listDueOrganizations,
  listOrganizations,
  nextDue,
} from "./claim-schedules.js";
import { fire } from "./fire.js";
import { fireTogether } from "./fire-together.js";
import { pauseIfFailing } from "./rules/pause.js";
import type { AutomationDeps } from "./prepare.js";
import { fairTurns } from "./fair-turns.js";
import {
  claimFirings,
  claimQueued,
  failUnstarted,
  listOrganizationsWithOpen,
} from "../firings.queries.js";

/** Interval of looking for work that no notification has announced, such as that of a server that was lost. */
const LOOK_MS = 15_000;
/** The pause before work that was announced: a burst of changes is one look. */
const GATHER_MS = 50;
/** The pause between two looks: each firing changes its automation. */
const AGAIN_MS = 1000;
/** The pause after a change of a task or check, which may let a queued firing have its turn. */
const TASKS_MS = 1000;
/** Schedules, and firings that are decided together, of one turn of an organization. */
const BATCH = 50;
/** Further firings of a turn: their actions wait for programs. */
const SLOW_BATCH = 10;
/** Organizations whose turns run at once: the actions of one may take long, and must not delay all others. */
const TURNS = 3;

export interface Clock {
  now(): Date;
}

/** Works for an organization: a batch at a time. Returns whether there may be more. */
export async function work(
  deps: AutomationDeps,
  orgId: string,
  { now, withQueued }: { now: Date; withQueued: boolean },
): Promise<boolean> {
  const { db } = deps;
  const { id: nodeId } = db.node;
  const { due, quick, slow } = await db.tenant(orgId, async (tx) => ({
    due: await claimSchedules(tx, nodeId, orgId, { now, limit: BATCH }),
    quick: await claimFirings(tx, nodeId, { limit: BATCH, together: true }),
    slow: await claimFirings(tx, nodeId, { limit: SLOW_BATCH, together: false }),
  }));
  await fireTogether(deps, orgId, [...quick, ...slow]);
  if (withQueued) await workQueued(deps, orgId);
  return due === BATCH || quick.length === BATCH || slow.length === SLOW_BATCH;
}

/** Fires what has waited for its turn, after it has judged what could not start. */
async function workQueued(deps: AutomationDeps, orgId: string): Promise<void> {
  const { db } = deps;
  const failing = await db.tenant(orgId, (tx) => failUnstarted(tx));
  for (const id of failing) await pauseIfFailing(deps, orgId, id);
  // The next one of an automation may fire when the first one has.
  for (let fired = true; fired;) {
    fired = false;
    const queued = await db.tenant(orgId, (tx) => claimQueued(tx, db.node.id));
    for (const firing of queued) {
      const outcome = await fire(deps, firing);
      fired ||= outcome !== null && outcome.decision !== "queued";
    }
  }
}

/** Watches the automations of this node. */
export function watchAutomations(
  deps: AutomationDeps,
  clock: Clock = { now: () => new Date() },
): { stop(): Promise<void> } {
  const { db, log } = deps;
  let isStopped = false;
  /** Organizations whose queued firings may have got their turn. */
  const changed = new Set<string>();
  const turns = fairTurns(TURNS, async (orgId) => {
    try {
      if ((await db.maintenance()) !== null) return false;
      const withQueued = changed.delete(orgId);
      return await work(deps, orgId, { now: clock.now(), withQueued });
    } catch (error) {
      log.warn({ err: error, org_id: orgId }, "cannot fire the automations of an organization");
      return false;
    }
  });
  /** Organizations with automations. */
  const known = new Set<string>();
  const gathered = new Set<string>();
  let planned: { timer: NodeJS.Timeout; at: number; isRegular: boolean } | undefined;
  let looking: Promise<void> = Promise.resolve();
  let lastLook = 0;
  const look = async (isRegular: boolean): Promise<void> => {
    lastLook = Date.now();
    const now = clock.now();
    const { due, open, next } = await db.withSystem("find automations that are due", async (tx) => {
      if (isRegular) for (const orgId of await listOrganizations(tx)) known.add(orgId);
      return {
        due: await listDueOrganizations(tx, db.node.id, now),
        open: isRegular ? await listOrganizationsWithOpen(tx, db.node.id) : [],
        next: await nextDue(tx),
      };
    });
    for (const orgId of open) changed.add(orgId);
    for (const orgId of new Set([...due, ...open])) turns.request(orgId);
    const wait = next === null ? LOOK_MS : Math.max(next.getTime() - now.getTime(), AGAIN_MS);
    plan(Math.min(wait, LOOK_MS), false);
  };
  /** Plans the next look, or brings it forward; a regular one asks for all that may wait. */
  const plan = (ms: number, isRegular: boolean): void => {
    if (isStopped) return;
    const at = Math.max(Date.now() + ms, lastLook + AGAIN_MS);
    if (planned !== undefined && planned.at <= at) {
      planned.isRegular ||= isRegular;
      return;
    }
    clearTimeout(planned?.timer);
    const timer = setTimeout(() => {
      const isNowRegular = planned?.isRegular ?? isRegular;
      planned = undefined;
      looking = looking
        .then(() => look(isNowRegular))
        .catch((error: unknown) => {
          log.warn({ err: error }, "cannot look for automations that are due");
          plan(LOOK_MS, true);
        });
    }, at - Date.now());
    timer.unref();
    planned = { timer, at, isRegular: isRegular || planned?.isRegular === true };
  };
  const requestSoon = (orgId: string): void => {
    if (!known.has(orgId) || gathered.has(orgId)) return;
    gathered.add(orgId);
    setTimeout(() => {
      gathered.delete(orgId);
      changed.add(orgId);
      turns.request(orgId);
    }, TASKS_MS).unref();
  };
  const unsubscribe = db.changes.subscribe((change) => {
    if (change === null) plan(0, true);
    else if (change.orgId === null) return;
    else if (change.table === "automations") {
      known.add(change.orgId);
      plan(GATHER_MS, false);
    } else if (change.table === "automation_firings") turns.request(change.orgId);
    else if (change.table === "tasks" || change.table === "commit_checks") {
      requestSoon(change.orgId);
    }
  });
  const regular = setInterval(() => plan(0, true), LOOK_MS);
  regular.unref();
  plan(0, true);
  return {
    stop: async () => {
      isStopped = true;
      unsubscribe();
      clearTimeout(planned?.timer);
      clearInterval(regular);
      await looking;
      await turns.end();
    },
  };
}
