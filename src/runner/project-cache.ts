/** What a runner keeps of projects between runs: a mirror of their branches, base layers and exports. */
import { createHash } from "node:crypto";
import { mkdir, readdir, stat, utimes } from "node:fs/promises";
import { dirname, join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { exportObjects } from "#git/export/export-objects.js";
import { isWorthPacking, packRepository } from "#git/store/pack-repository.js";
import { initBare } from "#git/store/bare-repository.js";
import { listRefs } from "#git/store/refs.js";
import { removeRepository } from "#git/store/remove-repository.js";
import { removeStaleLocks } from "#git/store/stale-locks.js";
import { withUpstream } from "#git/upstream/upstream-connection.js";
import { UpstreamError } from "#git/upstream/upstream-error.js";
import { createDirectoryAtomically, exists, removeTree } from "#git/worktree/atomic-directory.js";
import { collectBaseLayers } from "#git/worktree/base-layers.js";
import { collectEnvironments } from "#git/worktree/environment-layer.js";
import type { WorktreeDriver } from "#git/worktree/worktree-driver.js";
import type { ReadOnlyFolder } from "#sandbox/sandbox.js";
import { RUNNER_PATH, type RunnerJob } from "#shared/runner/protocol.js";
import type { RunnerStorage } from "./runner-storage.js";
import type { ServerConnection } from "./server-connection.js";

/** Environment layers of a project that stay for the next runs. */
const KEPT_ENVIRONMENTS = 3;
/** Days without a run after which a project is forgotten. */
const KEPT_DAYS = 30;
const DAY_MS = 86_400_000;
const FETCH_MS = 60 * 60_000;

export interface ProjectCache {
  /**
   * Fetches what a run may read into the mirror of its project.
   * @throws UpstreamError
   */
  fetch(job: RunnerJob, signal: AbortSignal): Promise<void>;
  /** Returns the folders of objects that the repository of a run borrows. */
  exportFor(job: RunnerJob): Promise<ReadOnlyFolder[]>;
  /** Frees what no run needs. Call it while no run starts. */
  clean(): Promise<void>;
}

export function openProjectCache(
  storage: RunnerStorage,
  server: Pick<ServerConnection, "url" | "token">,
  driver: WorktreeDriver,
): ProjectCache {
  /** Fetches of a project follow each other. */
  const fetching = new Map<string, Promise<void>>();

  const fetchNow = async (job: RunnerJob, signal: AbortSignal): Promise<void> => {
    const repository = storage.repository(job.project_id);
    if (!(await exists(repository))) {
      await mkdir(storage.project(job.project_id), { recursive: true, mode: 0o700 });
      await createDirectoryAtomically(repository, (folder) => initBare(folder, "main"));
    }
    await removeStaleLocks(repository);
    const url = `${server.url}${RUNNER_PATH}/runs/${job.run_id}/git`;
    // An agent reads its own branch and its base alone, so each has refs of its own.
    const refs = agentRefs(job);
    await withUpstream(
      repository,
      url,
      "git-upload-pack",
      {
        protocols: ["https", "http"],
        login: { kind: "https_token", username: "runner", token: server.token },
        signal,
        timeoutMs: FETCH_MS,
      },
      (git) =>
        git([
          "fetch",
          "--quiet",
          "--no-tags",
          "--prune",
          "--no-write-fetch-head",
          "upstream",
          `+refs/heads/*:${refs}*`,
        ]),
    );
    const now = new Date();
    await utimes(storage.project(job.project_id), now, now);
  };

  /** Removes what an earlier process was building. */
  const removeBuilds = async (id: string): Promise<void> => {
    for (const key of await list(join(storage.project(id), "builds"))) {
      const { root, worktree } = storage.build(id, key);
      await driver.remove(worktree(id));
      await removeTree(root);
    }
  };

  const removeEnvironments = async (id: string): Promise<void> => {
    const folder = dirname(storage.environment(id, "key"));
    const layers = await Promise.all(
      (await list(folder)).map(async (name) => ({
        name,
        // Each use changes the list of users.
        at: (await stat(join(folder, name, "users")).catch(() => null))?.mtimeMs ?? 0,
      })),
    );
    layers.sort((one, other) => other.at - one.at);
    const kept = new Set(layers.slice(0, KEPT_ENVIRONMENTS).map(({ name }) => name));
    const isRun = (user: string): Promise<boolean> => exists(storage.run(user).root);
    await collectEnvironments(folder, (name) => kept.has(name), isRun);
  };

  return {
    fetch: async (job, signal) => {
      const before = fetching.get(job.project_id) ?? Promise.resolve();
      const next = before
        .catch(() => undefined)
        .then(() => patiently(() => fetchNow(job, signal), signal));
      fetching.set(job.project_id, next);
      try {
        await next;
      } finally {
        if (fetching.get(job.project_id) === next) fetching.delete(job.project_id);
      }
    },
    exportFor: async (job) => {
      const repository = storage.repository(job.project_id);
      const folder = storage.exports(job.project_id);
      const refs = await listRefs(repository, agentRefs(job));
      const shared = refs.find(({ ref }) => ref === agentRefs(job) + job.default_branch)?.sha;
      // Another default branch gets another folder: agents may not read the former one.
      const name = createHash("sha256").update(job.default_branch).digest("hex").slice(0, 16);
      const ofProject =
        shared === undefined
          ? null
          : await exportObjects(repository, join(folder, `branch-${name}`), [shared]);
      const tips = [job.head_commit, ...(job.base_commit === null ? [] : [job.base_commit])];
      const own = await exportObjects(repository, join(folder, job.agent.id), tips, ofProject);
      return [...(ofProject ? [ofProject] : []), own].map(({ objects }, index) => ({
        source: objects,
        path: `/borrowed/${index}/objects`,
      }));
    },
    clean: async () => {
      for (const id of await list(storage.projects)) {
        const { mtimeMs } = await stat(storage.project(id));
        if (mtimeMs < Date.now() - KEPT_DAYS * DAY_MS) {
          await removeRepository(storage.repository(id));
          await removeTree(storage.project(id));
          continue;
        }
        await collectBaseLayers(join(storage.project(id), "lowers"));
        await removeBuilds(id);
        await removeEnvironments(id);
        const repository = storage.repository(id);
        if (await isWorthPacking(repository)) {
          await packRepository(repository, AbortSignal.timeout(FETCH_MS));
        }
      }
    },
  };
}

const agentRefs = ({ agent }: RunnerJob): string => `refs/agents/${agent.id}/`;

const list = (folder: string): Promise<string[]> => readdir(folder).catch(() => []);

/** Milliseconds for which a server that cannot be reached is asked again. */
const FETCH_PATIENCE_MS = 3 * 60_000;
const TRANSIENT = new Set(["unreachable", "busy", "broken", "timed_out"]);

/** Repeats a fetch while the server cannot be reached. @throws UpstreamError */
async function patiently(work: () => Promise<void>, signal: AbortSignal): Promise<void> {
  const deadline = performance.now() + FETCH_PATIENCE_MS;
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
