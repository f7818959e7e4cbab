/** The cache of a project between runs: a mirror of its branches, base layers and exports. */
import { createHash } from "node:crypto";
import { mkdir, readdir, stat, utimes } from "node:fs/promises";
import { dirname, join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { exportObjects } from "#git/export/export-objects.js";
import { isWorthPacking, packRepository } from "#git/store/pack-repository.js";
import { initBare } from "#git/store/bare-repository.js";
import { listRefs, updateRef, updateRefs } from "#git/store/refs.js";
import { isAncestor, resolveCommit } from "#git/store/repository.js";
import { removeRepository } from "#git/store/remove-repository.js";
import { removeStaleLocks } from "#git/store/stale-locks.js";
import { withUpstream } from "#git/upstream/upstream-connection.js";
import { UpstreamError, upstreamError } from "#git/upstream/upstream-error.js";
import { createDirectoryAtomically, exists, removeTree } from "#git/worktree/atomic-directory.js";
import { collectBaseLayers } from "#git/worktree/base-layers.js";
import { collectEnvironments } from "#git/worktree/environment-layer.js";
import type { WorktreeDriver } from "#git/worktree/worktree-driver.js";
import type { ReadOnlyFolder } from "#sandbox/sandbox.js";
import { isUuid } from "#shared/uuid.js";
import { RUNNER_PATH, type RunnerJob } from "#shared/runner/protocol.js";
import type { RunnerStorage } from "./runner-storage.js";
import type { ServerConnection } from "./server-connection.js";

/** Environment layers of a project that stay for the next runs. */
const KEPT_ENVIRONMENTS = 3;
/** Days without a run after which a project is forgotten. */
const KEPT_DAYS = 30;
const DAY_MS = 86_400_000;
const FETCH_MS = 60 * 60_000;
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

  const fetchNow = async (job: RunnerJob, signal: AbortSignal): Promise<void> => {
    const repository = storage.repository(job.project_id);
    if (!(await exists(repository))) {
      await mkdir(storage.project(job.project_id), { recursive: true, mode: 0o700 });
      await createDirectoryAtomically(repository, (folder) => initBare(folder, "main"));
    }
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
        config: [
          // It fetches a few refs alone: the protocol that lists them first needs fewer requests.
          ["protocol.version", "0"],
          // Saves a request that is refused (git 2.46).
          ["http.proactiveAuth", "basic"],
        ],
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
    // git takes an answer that ends after its headers for one of an empty repository.
    if ((await branchesOf(job)).get(job.branch) === undefined) throw upstreamError("interrupted");
    await touch(job);
  };

  /** Returns the commits of the branches that the agent of a job had at the last fetch. */
  const branchesOf = async (job: RunnerJob): Promise<Map<string, string>> => {
    const prefix = agentRefs(job);
    const refs = await listRefs(storage.repository(job.project_id), prefix);
    return new Map(refs.map(({ ref, sha }) => [ref.slice(prefix.length), sha]));
  };

  /** Whether the mirror has the branches of a job as it names them. */
  const isCurrent = async (job: RunnerJob): Promise<boolean> => {
    if (job.default_commit === null || !(await exists(storage.repository(job.project_id)))) {
      return false;
    }
    const branches = await branchesOf(job);
    return (
      branches.get(job.branch) === job.head_commit &&
      branches.get(job.base_branch) === (job.base_commit ?? undefined) &&
      branches.get(job.default_branch) === job.default_commit
    );
  };

  const touch = async (job: RunnerJob): Promise<void> => {
    const now = new Date();
    await utimes(storage.project(job.project_id), now, now);
  };

  /**
   * Returns the newest commit of the default branch that any run has fetched: each agent has the branch as it was at
   * its last run, and an export that went back and forth would be built again each time.
   */
  const sharedTip = (job: RunnerJob): Promise<string | null> =>
    resolveCommit(storage.repository(job.project_id), `refs/shared/${branchKey(job)}`);

  const advanceShared = async (job: RunnerJob): Promise<void> => {
    const repository = storage.repository(job.project_id);
    const fetched = await resolveCommit(repository, agentRefs(job) + job.default_branch);
    const known = await sharedTip(job);
    if (fetched === null || fetched === known) return;
    if (known !== null && (await isAncestor(repository, fetched, known))) return;
    await updateRef(repository, `refs/shared/${branchKey(job)}`, fetched, known);
  };

  const cleanProject = async (id: string): Promise<void> => {
    const { mtimeMs } = await stat(storage.project(id));
    const repository = storage.repository(id);
    if (mtimeMs < Date.now() - KEPT_DAYS * DAY_MS) {
      await removeRepository(repository);
      await removeTree(storage.project(id));
      return;
    }
    await collectBaseLayers(join(storage.project(id), "lowers"));
    await removeBuilds(id);
    await removeEnvironments(id);
    if (!(await exists(repository))) return;
    await forgetAgents(id);
    if (await isWorthPacking(repository)) {
      await packRepository(repository, AbortSignal.timeout(FETCH_MS));
    }
  };

  /** Removes the refs and the exports of agents without a run for long. */
  const forgetAgents = async (id: string): Promise<void> => {
    const repository = storage.repository(id);
    for (const name of await list(storage.exports(id))) {
      const folder = join(storage.exports(id), name);
      const { mtimeMs } = await stat(join(folder, "current")).catch(() => stat(folder));
      if (!isUuid(name) || mtimeMs > Date.now() - KEPT_DAYS * DAY_MS) continue;
      const refs = await listRefs(repository, `refs/agents/${name}/`);
      const gone = refs.map(({ ref, sha }) => ({ ref, newSha: null, expectedOld: sha }));
      if (gone.length > 0) await updateRefs(repository, gone);
      await removeTree(folder);
    }
  };

  /** Removes what an earlier process was building. */
  const removeBuilds = async (id: string): Promise<void> => {
    for (const key of await list(join(storage.project(id), "builds"))) {
      const paths = storage.build(id, key);
      await driver.remove(paths.worktree(id));
      await removeTree(paths.root);
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
    fetch: (job, signal) => {
      const before = ahead.get(job.project_id);
      if (before !== undefined && before.agentId !== job.agent.id) before.cancel.abort();
      return exclusive(job.project_id, async () => {
        // No other process uses the mirror, and no other work now.
        await removeStaleLocks(storage.repository(job.project_id), Date.now());
        if (await isCurrent(job)) await touch(job);
        else await patiently(() => fetchNow(job, signal), signal);
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
          fetchNow(job, AbortSignal.any([signal, cancel.signal, until])),
        );
      } finally {
        if (ahead.get(job.project_id) === own) ahead.delete(job.project_id);
      }
    },
    exportFor: async (job) => {
      const repository = storage.repository(job.project_id);
      const folder = storage.exports(job.project_id);
      await exclusive(job.project_id, () => advanceShared(job));
      const shared = await sharedTip(job);
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
      for (const id of await list(storage.projects)) {
        await exclusive(id, async () => {
          if (!isUsed(id)) await cleanProject(id);
        });
      }
    },
  };
}

const agentRefs = ({ agent }: RunnerJob): string => `refs/agents/${agent.id}/`;

const branchKey = ({ default_branch: branch }: RunnerJob): string =>
  createHash("sha256").update(branch).digest("hex").slice(0, 16);

const list = (folder: string): Promise<string[]> => readdir(folder).catch(() => []);

/** Milliseconds for which a server that cannot be reached is asked again. */
const FETCH_PATIENCE_MS = 3 * 60_000;
const TRANSIENT = new Set(["unreachable", "interrupted", "busy", "broken", "timed_out"]);

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
