/** What happens to tasks without a request: recovery, starts after dependencies, ends, and silence. */
import { stat } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { type FairSlots, fairSlots } from "#shared/node/fair-slots.js";
import { systemOrigin } from "../../../db/audit/audit.js";
import { AppError, notFound } from "../../../errors.js";
import type { CallerContext } from "../../../http/requests/request-context.js";
import { restoreContext } from "../../../http/requests/restored-context.js";
import { endAtRest, endRuns, waitForEnd } from "../../execution/run-ends/index.js";
import { countWaiting, lockSession, type RunDeps } from "../../execution/runs/start.js";
import { terminateAgents } from "./cancel-task.js";
import { undoTask } from "./create-task.js";
import { insertAttempts } from "./make-attempts.js";
import { inTurnsOfOrganizations } from "./organization-turns.js";
import { promptToRepeat, startAgain } from "./prompt-task.js";
import { recordStartError, startAttemptLater, startErrorOf } from "./start-attempt.js";
import * as queries from "./tasks.queries.js";
import type { TaskRow } from "./tasks.queries.js";
import { type AttemptRow, listAttempts, updateAttempt } from "./queries/attempts.queries.js";
import { findProjectForTask } from "./queries/create-task.queries.js";
import { branchOfDependencies, isWaiting } from "./queries/dependencies.queries.js";
import { readTasks } from "./queries/read-tasks.queries.js";

/** Interval of looking for tasks to start, in case a notification was lost, and for silence. */
const LOOK_MS = 30_000;
const BATCH = 20;
/**
 * Tasks that one process starts at once: thousands may be due together. A start keeps a core busy with git and its
 * program. There are two at least, since the start of one organization may take long.
 */
const STARTS = { slots: Math.min(Math.max(availableParallelism(), 2), 8), perOwner: 1 };
/** The longest pause after a start, in milliseconds. */
const MAX_REST_MS = 250;

/** What limits the starts of tasks; aborted when the watch stops. */
interface Starts {
  slots: FairSlots;
  signal: AbortSignal;
}

/** Returns the context of the request that led to work on tasks. @throws AppError as `restoreContext` */
export const contextOf = (
  { db }: Pick<RunDeps, "db">,
  work: Pick<TaskRow, "org_id" | "origin">,
): Promise<CallerContext> => restoreContext(db, work, "project:task:write");

async function contextOfTask(deps: RunDeps, orgId: string, id: string): Promise<CallerContext> {
  const [task] = await deps.db.tenant(orgId, (tx) => readTasks(tx, [id]));
  if (!task) throw notFound();
  return contextOf(deps, task);
}

/** Goes on with the tasks of an organization that are being undone or canceled. */
async function removeUnfinished(deps: RunDeps, orgId: string): Promise<void> {
  const { db, log } = deps;
  const { undone, cancelled } = await db.tenant(orgId, (tx) =>
    queries.listUnfinished(tx, db.node.id),
  );
  const goOn = async (id: string, work: () => Promise<void>): Promise<void> => {
    await work().catch((error: unknown) => {
      log.error({ err: error, task: id }, "cannot go on with a task; it is tried again");
    });
  };
  for (const { id } of undone) await goOn(id, () => undoTask(deps, orgId, id, systemOrigin));
  for (const { id } of cancelled) {
    await goOn(id, () => terminateAgents(deps, orgId, id, systemOrigin));
  }
}

/** Starts attempts, each on behalf of who created its task; a refusal is kept, and shown. */
async function startReserved(
  deps: RunDeps,
  attempts: readonly AttemptRow[],
  start: (context: CallerContext, attempt: AttemptRow) => Promise<void>,
): Promise<void> {
  for (const attempt of attempts) {
    try {
      await start(await contextOfTask(deps, attempt.org_id, attempt.task_id), attempt);
    } catch (error) {
      if (!(error instanceof AppError)) {
        deps.log.error({ err: error, attempt: attempt.id }, "an attempt at a task cannot start");
      }
      await recordStartError(deps, attempt.org_id, attempt, error);
    }
  }
}

/** Starts attempts again whose program was lost before it got their prompt. */
async function restartLost(deps: RunDeps, orgId: string): Promise<void> {
  const { db } = deps;
  const lost = await db.tenant(orgId, (tx) => queries.listLostStarts(tx, db.node.id));
  await startReserved(deps, lost, async (context, attempt) => {
    await startAgain(deps, context, attempt, await promptToRepeat(context, attempt));
  });
}

/** Starts the tasks of an organization on this node whose dependencies are done. */
async function startDue(deps: RunDeps, orgId: string, starts: Starts): Promise<void> {
  const { db, log } = deps;
  const due = await db.tenant(orgId, (tx) => queries.listDue(tx, db.node.id, BATCH));
  for (const { id } of due) {
    const release = await starts.slots.take(orgId, starts.signal).catch(() => null);
    // The next process starts what is left.
    if (release === null) return;
    const began = performance.now();
    try {
      await startTask(deps, orgId, id);
    } catch (error) {
      if (!(error instanceof AppError)) log.error({ err: error, task: id }, "a task cannot start");
      await db.tenant(orgId, async (tx) => {
        await queries.updateTask(tx, id, { start_error: startErrorOf(error) });
        await queries.refreshTask(tx, id);
      });
    } finally {
      // The next start waits as long as this one took, so that other requests get time in between.
      const rest = Math.min(performance.now() - began, MAX_REST_MS);
      setTimeout(release, rest).unref();
    }
  }
}

async function startTask(deps: RunDeps, orgId: string, id: string): Promise<void> {
  const context = await contextOfTask(deps, orgId, id);
  const attempts = await context.change(async (tx, audit) => {
    const task = await queries.lockTask(tx, id);
    const project = task && (await findProjectForTask(tx, task.project_id));
    if (!task?.launch || !project || task.resolution !== null || task.held_since !== null)
      return [];
    if (await isWaiting(tx, id)) return [];
    const { attempts: count, ...launch } = task.launch;
    const baseBranch = (await branchOfDependencies(tx, id)) ?? project.default_branch;
    await insertAttempts(tx, audit, context, task, { launch, count, first: 1, baseBranch });
    await queries.updateTask(tx, id, { launch: null });
    await queries.refreshTask(tx, id);
    return listAttempts(tx, id);
  });
  await Promise.all(attempts.map((attempt) => startAttemptLater(deps, context, attempt)));
}

/**
 * Ends the programs of an organization whose task is finished, so that they hold no place. The program of the merged
 * attempt ends its turn before, and one that has got a prompt meanwhile goes on.
 */
async function endFinished({ db }: RunDeps, orgId: string): Promise<void> {
  const running = await db.tenant(orgId, (tx) => queries.listRunningFinished(tx, db.node.id));
  const end = async (run: queries.FinishedRun): Promise<void> => {
    const isEnding = await db.tenant(orgId, async (tx) => {
      const session = await lockSession(tx, run.session_id);
      const task = await queries.lockTask(tx, run.task_id);
      if (!session || task?.resolution == null) return false;
      const isAtRest = session.status === "idle" && (await countWaiting(tx, session.id)) === 0;
      if (isAtRest) await endAtRest(tx, run.run_id, "The task is done.");
      else if (!run.is_merged || session.status === "waiting_for_permission") {
        await endRuns(tx, { agentId: run.agent_id }, "The task is finished.");
        // Its turn has not failed: a task that is opened again shows it as stopped.
        if (!run.is_merged) {
          await updateAttempt(tx, run.attempt_id, { stopped_at: new Date().toISOString() });
        }
      } else return false;
      return true;
    });
    if (isEnding) await waitForEnd(db, orgId, { id: run.run_id }).catch(() => undefined);
  };
  await Promise.all(running.map(end));
}

/** Marks the sessions of this node that work in silence for longer than their project allows. */
export async function markSilence(deps: RunDeps): Promise<void> {
  const { db, storage } = deps;
  const working = await db.withSystem("find sessions that are silent", (tx) =>
    queries.listWorkingSessions(tx, db.node.id),
  );
  for (const { id, org_id, project_id, minutes, silent_since } of working) {
    const written = await stat(storage.transcript(org_id, project_id, id)).catch(() => null);
    if (written === null) continue;
    const since = Date.now() - written.mtimeMs > minutes * 60_000 ? written.mtime : null;
    if ((since === null) === (silent_since === null)) continue;
    await db.tenant(org_id, (tx) => queries.setSilence(tx, id, since));
  }
}

/** Goes on with all that waits in an organization: `isRegular` includes what no change of a task announces. */
async function lookAt(
  deps: RunDeps,
  orgId: string,
  isRegular: boolean,
  starts: Starts,
): Promise<void> {
  const { db } = deps;
  await endFinished(deps, orgId);
  await startDue(deps, orgId, starts);
  if (!isRegular) return;
  await restartLost(deps, orgId);
  const waiting = await db.tenant(orgId, (tx) => queries.listWaitingForPlace(tx, db.node.id));
  await startReserved(deps, waiting, (context, attempt) =>
    startAttemptLater(deps, context, attempt),
  );
  await removeUnfinished(deps, orgId);
}

/**
 * Looks regularly for tasks to start, to end or to remove, and for silence; in an organization at once after a change of
 * one of its tasks.
 * @param unstarted attempts that an earlier process has not started; they wait for the end of maintenance
 */
export function startTaskWatch(
  deps: RunDeps,
  unstarted: readonly AttemptRow[],
): { stop(): Promise<void> } {
  const { db, log } = deps;
  let left = [...unstarted];
  const slots = fairSlots(STARTS);
  const stopping = new AbortController();
  const organizations = inTurnsOfOrganizations(async (orgId, isRegular) => {
    try {
      if ((await db.maintenance()) !== null) return;
      const attempts = left.filter(({ org_id }) => org_id === orgId);
      left = left.filter(({ org_id }) => org_id !== orgId);
      await startReserved(deps, attempts, (context, attempt) =>
        startAttemptLater(deps, context, attempt),
      );
      await lookAt(deps, orgId, isRegular, { slots, signal: stopping.signal });
    } catch (error) {
      log.warn({ err: error, org_id: orgId }, "cannot look at the tasks of an organization");
    }
  });
  let looking: Promise<void> | null = null;
  const look = (): void => {
    looking ??= lookEverywhere()
      .catch((error: unknown) => log.warn({ err: error }, "cannot look at the tasks"))
      .finally(() => {
        looking = null;
      });
  };
  const lookEverywhere = async (): Promise<void> => {
    const waiting = await db.withSystem("find organizations whose tasks wait", (tx) =>
      queries.listOrganizationsToLookAt(tx, db.node.id),
    );
    for (const orgId of new Set([...waiting, ...left.map(({ org_id }) => org_id)])) {
      organizations.request(orgId, true);
    }
    if ((await db.maintenance()) === null) await markSilence(deps);
  };
  const unsubscribe = db.changes.subscribe((change) => {
    if (change === null) look();
    else if (change.table === "tasks" && change.orgId !== null) {
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
      stopping.abort();
      await looking;
      await organizations.end();
    },
  };
}

/** Reads the attempts that an earlier process has not started. */
export function readUnstarted({ db }: RunDeps): Promise<AttemptRow[]> {
  return db.withSystem("find attempts that an earlier process has not started", (tx) =>
    queries.listUnstarted(tx, db.node.id),
  );
}
