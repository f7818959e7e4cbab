/** Packing repositories in the background. */
import { setTimeout as pause } from "node:timers/promises";
import type { Logger } from "pino";
import { isWorthPacking, packRepository } from "#git/store/pack-repository.js";
import { GitError } from "#git/process/run.js";
import { isMerging } from "../workspaces/index.js";
import type { ProjectDeps } from "./project.js";
import * as queries from "./projects.queries.js";

/** How often repositories are looked at. */
const lookMs = 5 * 60_000;
/** The share of its time that a process spends with packing: as long as three times a packing it pauses. */
const pauses = 3;
/** How long a repository rests that could not be packed. */
const restMs = 60 * 60_000;

type PackingDeps = Pick<ProjectDeps, "db" | "storage" | "log">;
interface PackedProject {
  id: string;
  org_id: string;
}

export type PackingOutcome = "packed" | "merging" | "locked";

/**
 * Packs the repository of a project, unless a merge of the project is under way; a merge that begins
 * aborts it. Nothing waits for a packing: its lock is taken by packings alone.
 * @throws GitError
 */
export async function packProject(
  { db, storage }: PackingDeps,
  project: PackedProject,
  stopping?: AbortSignal,
): Promise<PackingOutcome> {
  let outcome: PackingOutcome = "locked";
  await db.tryLock(`packing ${project.id}`, async () => {
    const merged = new AbortController();
    const look = async (): Promise<void> => {
      if (await isMerging(db, project.org_id, project.id)) merged.abort();
    };
    const unsubscribe = db.changes.subscribe((change) => {
      const isOther = change !== null && change.table !== "merges_under_way";
      if (isOther || (change && change.orgId !== project.org_id)) return;
      // What cannot be looked up is no reason to end: the database is away for merges, too.
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
 * Packs what is worth it, one repository after another, with pauses between them. `stop` aborts the one
 * under way, which loses nothing.
 */
export function startPacking(deps: PackingDeps, log: Logger): { stop(): Promise<void> } {
  const stopping = new AbortController();
  const restsUntil = new Map<string, number>();

  const packNext = async (project: PackedProject): Promise<void> => {
    const repoPath = deps.storage.repository(project.org_id, project.id);
    const isResting = (restsUntil.get(project.id) ?? 0) > Date.now();
    if (isResting || !(await isWorthPacking(repoPath))) return;
    const start = performance.now();
    try {
      const outcome = await packProject(deps, project, stopping.signal);
      log.info({ project: project.id, outcome }, "packing a repository");
    } catch (error) {
      if (stopping.signal.aborted) return;
      restsUntil.set(project.id, Date.now() + restMs);
      log.warn({ err: error, project: project.id }, "a repository could not be packed");
    }
    const pauseMs = pauses * (performance.now() - start);
    await pause(pauseMs, undefined, { signal: stopping.signal, ref: false }).catch(() => {});
  };
  const packAll = async (): Promise<void> => {
    const projects = await deps.db.withSystem("find repositories to pack", (tx) =>
      queries.listReadyProjects(tx),
    );
    for (const project of projects) {
      if (stopping.signal.aborted) return;
      await packNext(project);
    }
  };
  let working: Promise<void> | null = null;
  const timer = setInterval(() => {
    working ??= packAll()
      .catch((error: unknown) => log.warn({ err: error }, "repositories were not packed"))
      .finally(() => {
        working = null;
      });
  }, lookMs);
  timer.unref();
  return {
    stop: async () => {
      stopping.abort();
      clearInterval(timer);
      await working;
    },
  };
}
