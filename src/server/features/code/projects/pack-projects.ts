/** Repacks repositories in the background. */
import { setTimeout as pause } from "node:timers/promises";
import type { Logger } from "pino";
import { isWorthPacking, packRepository } from "#git/store/pack-repository.js";
import { GitError } from "#git/process/run.js";
import type { NodeLease } from "../../../cluster/node-lease.js";
import { isMerging } from "../workspaces/index.js";
import type { ProjectDeps } from "./project.js";
import * as queries from "./projects.queries.js";

/** Interval between checks, in milliseconds. */
const CHECK_INTERVAL_MS = 5 * 60_000;
/** A process pauses three times as long as each repack took. */
const PAUSE_RATIO = 3;
/** Pause after a failed repack of a repository, in milliseconds. */
const FAILURE_PAUSE_MS = 60 * 60_000;

type PackingDeps = Pick<ProjectDeps, "db" | "storage" | "log">;
interface PackedProject {
  id: string;
  org_id: string;
}

export const packingLock = (projectId: string): string => `packing ${projectId}`;

export type PackingOutcome = "packed" | "merging" | "locked";

/**
 * Repacks a project's repository unless a merge is in progress; a merge that starts aborts it. Only
 * repacks take this lock, so nothing waits for one.
 * @throws GitError
 */
export async function packProject(
  { db, storage }: PackingDeps,
  project: PackedProject,
  stopping?: AbortSignal,
): Promise<PackingOutcome> {
  let outcome: PackingOutcome = "locked";
  await db.tryLock(packingLock(project.id), async () => {
    const merged = new AbortController();
    const look = async (): Promise<void> => {
      if (await isMerging(db, project.org_id, project.id)) merged.abort();
    };
    const unsubscribe = db.changes.subscribe((change) => {
      const isOther = change !== null && change.table !== "merges_under_way";
      if (isOther || (change && change.orgId !== project.org_id)) return;
      // A failed look-up is ignored: without the database there are no merges, either.
      look().catch(() => undefined);
    });
    try {
      await look();
      const signals = stopping ? [merged.signal, stopping] : [merged.signal];
      await packRepository(
        storage.repository(project.org_id, project.id),
        AbortSignal.any(signals),
      );
      outcome = "packed";
    } catch (error) {
      if (!(error instanceof GitError) || !merged.signal.aborted) throw error;
      outcome = "merging";
    } finally {
      unsubscribe();
    }
  });
  return outcome;
}

/**
 * Repacks repositories of this node that need it, one at a time, with pauses. `stop` aborts the current repack,
 * which loses nothing.
 */
export function startPacking(
  deps: PackingDeps,
  lease: Pick<NodeLease, "onLapse">,
  log: Logger,
): { stop(): Promise<void> } {
  const stopping = new AbortController();
  const restsUntil = new Map<string, number>();

  const packNext = async (project: PackedProject): Promise<void> => {
    const repoPath = deps.storage.repository(project.org_id, project.id);
    const isResting = (restsUntil.get(project.id) ?? 0) > Date.now();
    if (isResting || !(await isWorthPacking(repoPath))) return;
    const start = performance.now();
    const lapsed = new AbortController();
    const forget = lease.onLapse(() => lapsed.abort());
    try {
      const ending = AbortSignal.any([stopping.signal, lapsed.signal]);
      const outcome = await packProject(deps, project, ending);
      log.info({ project: project.id, outcome }, "rerepacking a repository");
    } catch (error) {
      if (stopping.signal.aborted) return;
      restsUntil.set(project.id, Date.now() + FAILURE_PAUSE_MS);
      log.warn({ err: error, project: project.id }, "cannot repack a repository");
    } finally {
      forget();
    }
    const pauseMs = PAUSE_RATIO * (performance.now() - start);
    await pause(pauseMs, undefined, { signal: stopping.signal, ref: false }).catch(() => {});
  };
  const packAll = async (): Promise<void> => {
    const projects = await deps.db.withSystem("find repositories to repack", (tx) =>
      queries.listReadyProjects(tx, deps.db.node.id),
    );
    for (const project of projects) {
      if (stopping.signal.aborted || (await deps.db.maintenance())) return;
      await packNext(project);
    }
  };
  let working: Promise<void> | null = null;
  const timer = setInterval(() => {
    working ??= packAll()
      .catch((error: unknown) => log.warn({ err: error }, "cannot repack repositories"))
      .finally(() => {
        working = null;
      });
  }, CHECK_INTERVAL_MS);
  timer.unref();
  return {
    stop: async () => {
      stopping.abort();
      clearInterval(timer);
      await working;
    },
  };
}
