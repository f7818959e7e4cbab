/** The cache of a project between runs: a mirror of its branches, base layers and exports. */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { exportObjects } from "#git/export/export-objects.js";
import { removeStaleLocks } from "#git/store/stale-locks.js";
import { UpstreamError } from "#git/upstream/upstream-error.js";
import type { WorktreeDriver } from "#git/worktree/worktree-driver.js";
import type { ReadOnlyFolder } from "#sandbox/sandbox.js";
import type { RunnerJob } from "#shared/execution/runner/protocol.js";
import { cleanProject } from "./clean-project.js";
import { branchKey, createMirrors } from "./project-mirror.js";
import type { RunnerStorage } from "./runner-storage.js";
import type { ServerConnection } from "./server-connection.js";

/** Time limit of a fetch that no run waits for. */
const AHEAD_MS = 60_000;

export interface ProjectCache {
  /**
   * Fetches what a run may read into the mirror of its project, unless the mirror has it.
   * @throws UpstreamError
   */
  fetch(job: RunnerJob, signal: AbortSignal): Promise<void>;
  /**
   * Fetches after the end of a run what it has left, so that the next run of its agent need not wait for it. Gives way
   * to runs of other agents of the project.
   * @throws UpstreamError
   */
  fetchAhead(job: RunnerJob, signal: AbortSignal): Promise<void>;
  /** Returns the folders of objects that the repository of a run borrows. */
  exportFor(job: RunnerJob): Promise<ReadOnlyFolder[]>;
  /**
   * Frees what no run needs. Runs of a project that start meanwhile wait.
   * @param isUsed whether a project has a run on this machine
   */
  clean(isUsed: (projectId: string) => boolean): Promise<void>;
}

export function openProjectCache(
  storage: RunnerStorage,
  server: Pick<ServerConnection, "url" | "token">,
  driver: WorktreeDriver,
): ProjectCache {
  const mirrors = createMirrors(storage, server);
  /** Changes of a mirror are serialized, for each project. */
  const changing = new Map<string, Promise<void>>();
  /** The fetch ahead in progress, by project. */
  const ahead = new Map<string, { agentId: string; cancel: AbortController }>();
  const exclusive = async (projectId: string, work: () => Promise<void>): Promise<void> => {
    const before = changing.get(projectId) ?? Promise.resolve();
    const next = before.catch(() => undefined).then(work);
    changing.set(projectId, next);
    try {
      await next;
    } finally {
      if (changing.get(projectId) === next) changing.delete(projectId);
    }
  };

  return {
    fetch: (job, signal) => {
      const before = ahead.get(job.project_id);
      if (before !== undefined && before.agentId !== job.agent.id) before.cancel.abort();
      return exclusive(job.project_id, async () => {
        // No other process uses the mirror, and no other work now.
        await removeStaleLocks(storage.repository(job.project_id), Date.now());
        if (await mirrors.isCurrent(job)) await mirrors.touch(job);
        else await retryWhileUnreachable(() => mirrors.fetch(job, signal), signal);
      });
    },
    fetchAhead: async (job, signal) => {
      if (changing.has(job.project_id)) return;
      const cancel = new AbortController();
      const until = AbortSignal.timeout(AHEAD_MS);
      const own = { agentId: job.agent.id, cancel };
      ahead.set(job.project_id, own);
      try {
        await exclusive(job.project_id, () =>
          mirrors.fetch(job, AbortSignal.any([signal, cancel.signal, until])),
        );
      } finally {
        if (ahead.get(job.project_id) === own) ahead.delete(job.project_id);
      }
    },
    exportFor: async (job) => {
      const repository = storage.repository(job.project_id);
      const folder = storage.exports(job.project_id);
      await exclusive(job.project_id, () => mirrors.advanceShared(job));
      const shared = await mirrors.sharedTip(job);
      // Another default branch gets another folder: agents may not read the former one.
      const ofProject =
        shared === null
          ? null
          : await exportObjects(repository, join(folder, `branch-${branchKey(job)}`), [shared]);
      const tips = [job.head_commit, ...(job.base_commit === null ? [] : [job.base_commit])];
      const own = await exportObjects(repository, join(folder, job.agent.id), tips, ofProject);
      return [...(ofProject ? [ofProject] : []), own].map(({ objects }, index) => ({
        source: objects,
        path: storage.shownAt(objects, index),
      }));
    },
    clean: async (isUsed) => {
      for (const id of await readdir(storage.projects).catch(() => [])) {
        await exclusive(id, async () => {
          if (!isUsed(id)) await cleanProject(storage, driver, id);
        });
      }
    },
  };
}

/** Milliseconds for which a server that cannot be reached is asked again. */
const FETCH_TIMEOUT_MS = 3 * 60_000;
const TRANSIENT = new Set(["unreachable", "interrupted", "busy", "broken", "timed_out"]);

/** Repeats a fetch while the server cannot be reached. @throws UpstreamError */
async function retryWhileUnreachable(
  work: () => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  const deadline = performance.now() + FETCH_TIMEOUT_MS;
  for (let waitMs = 500; ; waitMs = Math.min(waitMs * 2, 10_000)) {
    try {
      return await work();
    } catch (error) {
      const isTransient = error instanceof UpstreamError && TRANSIENT.has(error.reason);
      if (!isTransient || performance.now() > deadline) throw error;
      await pause(waitMs, undefined, { signal });
    }
  }
}
