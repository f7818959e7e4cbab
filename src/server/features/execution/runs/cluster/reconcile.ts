import type { V1Job, V1Pod } from "@kubernetes/client-node";
import * as runEnds from "../../run-ends/index.js";
import { runnerLimits } from "../on-runners/queue-for-runner.js";
import { ClusterError, isClusterError } from "./api/cluster-api.js";
import type { ClusterDeps } from "./cluster-deps.js";
import * as queries from "./cluster-runs.queries.js";
import type { RunOfCluster } from "./cluster-runs.queries.js";
import { explainJob } from "./explain-pod.js";
import type { ClusterRun } from "./manifests/cluster-run.js";
import { jobName, LABELS, NONCE, selectorOf } from "./manifests/names.js";
import { createJob, resumeJob, type Own } from "./start-job.js";

/** Ended runs whose Jobs are removed in one pass. */
const MAX_ENDED = 1000;
/** Runs whose calls of the cluster go on at once. */
const WORKERS = 4;
/** Seconds for which the cluster waits for runs after a pass. */
const WAITING_SECONDS = 15;

/** Returns the networks that the cluster's policies enforce. */
export function networksOf({ settings }: Pick<ClusterDeps, "settings">): string[] {
  return settings.egressUrl === null ? ["none", "full"] : ["none", "restricted", "full"];
}

/** Registers the cluster among the runners. */
export function register({ db, api, settings, version }: ClusterDeps): Promise<queries.ClusterRow> {
  const description = {
    networks: networksOf({ settings }),
    slots: settings.maxRuns,
    version,
    host: api.host,
  };
  return db.withSystem("register the cluster", (tx) => queries.registerCluster(tx, description));
}

/**
 * Compares the runs with the Jobs of the cluster, and repairs the difference. It can end anywhere: the next pass goes
 * on from what it finds.
 * @returns whether runs or Jobs are left to be watched
 * @throws ClusterError when the cluster does not answer
 */
export async function reconcile(deps: ClusterDeps): Promise<boolean> {
  const { db, api, settings, closing } = deps;
  const { id: clusterId, paused } = await register(deps);
  const installation = await db.withSystem("read the label of the installation", (tx) =>
    queries.readInstallationLabel(tx),
  );
  const own = { installation, clusterId };
  const listed = await api.listJobs(selectorOf(installation));
  closing.throwIfAborted();
  // Read after the Jobs: a Job whose run is missing here is not needed any more.
  const runs = await listRuns(deps, clusterId);
  const { jobs, unneeded } = assign(listed.items, runs);
  await forEach(unneeded, deps, async ({ metadata }) => {
    try {
      await api.deleteJob(metadata?.name ?? "", metadata?.uid ?? "");
    } catch (error) {
      if (isClusterError(error, "unreachable")) throw error;
      deps.log.warn({ err: error, job: metadata?.name }, "cannot delete a Job of the cluster");
    }
  });
  const gone = runs.filter(({ id, needs_job }) => !needs_job && !jobs.has(id));
  if (!listed.isTruncated) {
    const ids = gone
      .filter(({ id }) => !unneeded.some((job) => runOf(job) === id))
      .map(({ id }) => id);
    await db.withSystem("forget the tokens of removed Jobs", (tx) =>
      queries.forgetJobTokens(tx, clusterId, ids),
    );
  }
  const active = runs.filter(({ needs_job }) => needs_job);
  const pods = active.length > 0 ? (await api.listPods(selectorOf(installation))).items : [];
  const podsOf = groupByJob(pods);
  const find = ({ id }: RunOfCluster): Found => {
    const job = jobs.get(id);
    return { job, pods: podsOf.get(job?.metadata?.uid ?? "") ?? [] };
  };
  const hold = (await db.maintenance()) && "Waiting for the end of the maintenance.";
  const first = await advanceAll(deps, own, active, find, hold);
  const free = Math.max(0, settings.maxRuns - active.length);
  const takesMore = free > 0 && !paused && first === null;
  const claimed = takesMore ? await claim(deps, clusterId, free) : 0;
  let problem = first;
  if (claimed > 0) {
    const known = new Set(active.map(({ id }) => id));
    const added = (await listRuns(deps, clusterId)).filter(
      ({ id, needs_job }) => needs_job && !known.has(id),
    );
    problem = await advanceAll(deps, own, added, find, null);
  }
  const isFull = claimed >= free;
  const isWaiting = takesMore && !isFull && problem === null;
  await db.withSystem("record the state of the cluster", async (tx) => {
    await queries.recordReached(tx, clusterId, isWaiting ? WAITING_SECONDS : null);
    await queries.explainQueue(tx, {
      problem,
      networks: networksOf(deps),
      isPaused: paused,
      isFull,
    });
  });
  return runs.length > 0 || listed.items.length > 0 || claimed > 0;
}

const runOf = ({ metadata }: V1Job): string => metadata?.labels?.[LABELS.run] ?? "";

const isEnding = ({ metadata }: V1Job): boolean => metadata?.deletionTimestamp !== undefined;

function listRuns({ db }: ClusterDeps, clusterId: string): Promise<RunOfCluster[]> {
  return db.withSystem("list the runs of the cluster", (tx) =>
    queries.listRunsOfCluster(tx, clusterId, MAX_ENDED),
  );
}

function claim({ db, settings, runSettings }: ClusterDeps, id: string, free: number) {
  const limits = runnerLimits(runSettings);
  return db.withSystemTx("claim runs for the cluster", (tx) =>
    queries.claimRuns(tx, id, free, settings.startMinutes, limits),
  );
}

/** Returns the Jobs of runs that need one, and those to be deleted. One that is being deleted is in neither. */
function assign(
  found: readonly V1Job[],
  runs: readonly RunOfCluster[],
): { jobs: Map<string, V1Job>; unneeded: V1Job[] } {
  const needed = new Set(runs.filter(({ needs_job }) => needs_job).map(({ id }) => id));
  const jobs = new Map<string, V1Job>();
  const unneeded: V1Job[] = [];
  for (const job of found) {
    const runId = runOf(job);
    const { name, annotations } = job.metadata ?? {};
    const isOwn = name === jobName(runId) && annotations?.[NONCE] !== undefined;
    if (isEnding(job) || (needed.has(runId) && isOwn)) jobs.set(runId, job);
    else unneeded.push(job);
  }
  return { jobs, unneeded };
}

/** Groups pods by the uid of their Job: an earlier Job of a run may have left one. */
function groupByJob(pods: readonly V1Pod[]): Map<string, V1Pod[]> {
  const groups = new Map<string, V1Pod[]>();
  for (const pod of pods) {
    for (const { kind, uid } of pod.metadata?.ownerReferences ?? []) {
      if (kind === "Job") groups.set(uid, [...(groups.get(uid) ?? []), pod]);
    }
  }
  return groups;
}

interface Found {
  job: V1Job | undefined;
  pods: readonly V1Pod[];
}

/**
 * Takes the next step of each run.
 * @param hold why no Job is created for now; null if Jobs are
 * @returns why the cluster starts none now; null if it does
 */
async function advanceAll(
  deps: ClusterDeps,
  own: Own,
  runs: readonly RunOfCluster[],
  find: (run: RunOfCluster) => Found,
  hold: string | null,
): Promise<string | null> {
  let problem = hold;
  const isRunning = ({ status }: RunOfCluster): boolean => status === "running";
  const isBusy = runs.some(isRunning);
  // Runs in progress come first: a problem of a start does not keep them from being watched.
  const inOrder = [...runs.filter(isRunning), ...runs.filter((run) => !isRunning(run))];
  await forEach(inOrder, deps, async (run) => {
    try {
      await advance(deps, own, run, find(run), { problem, isBusy });
    } catch (error) {
      if (!(error instanceof ClusterError) || error.kind === "unreachable") throw error;
      const isOfRun = error.kind === "invalid" || error.kind === "denied";
      if (isOfRun) return endQueued(deps, run, error.message);
      // A missing right or an exceeded quota concerns the others, too.
      if (error.kind === "forbidden" || error.kind === "not found") problem = error.message;
      await explain(deps, run, error.message);
    }
  });
  return problem;
}

async function advance(
  deps: ClusterDeps,
  own: Own,
  run: RunOfCluster,
  { job, pods }: Found,
  { problem, isBusy }: { problem: string | null; isBusy: boolean },
): Promise<void> {
  const { db, settings } = deps;
  const isStarted = job !== undefined && !isEnding(job) && job.spec?.suspend !== true;
  const state = isStarted ? explainJob(job, pods, run.status === "running") : null;
  if (run.status === "running") {
    if (state === null || state.kind === "waiting") return;
    await db.tenant(run.org_id, (tx) => queries.endWithoutPod(tx, run.id, state.detail));
    return;
  }
  if (state?.kind === "failed") return endQueued(deps, run, state.detail);
  if (run.is_late) {
    if (state?.waitsForRoom && isBusy) {
      return db.withSystem("wait for room in the cluster", (tx) =>
        queries.extendClaim(tx, own.clusterId, run.id, settings.startMinutes),
      );
    }
    if (!run.has_token) {
      return db.withSystem("release a run of the cluster", (tx) =>
        queries.releaseClaim(tx, own.clusterId, run.id),
      );
    }
    const why = state?.detail ?? run.detail ?? "";
    const detail = `The cluster has not started it within ${settings.startMinutes} minutes. ${why}`;
    return endQueued(deps, run, detail.trim());
  }
  if (isStarted && state?.kind === "refused") {
    // It was claimed again before its Job was removed: the next pass creates another one.
    return deps.api.deleteJob(job.metadata?.name ?? "", job.metadata?.uid ?? "");
  }
  if (isStarted) {
    return explain(deps, run, state?.detail ?? "The cluster is starting it.");
  }
  if (job && isEnding(job)) return explain(deps, run, "The cluster is removing its last pod.");
  if (problem !== null) return explain(deps, run, problem);
  const place = await deps.findPlace();
  const wanted: ClusterRun = { ...run, image: run.image ?? settings.image };
  deps.closing.throwIfAborted();
  const suspended = job ?? (await createJob(deps, own, wanted, place));
  await resumeJob(deps, own, wanted, place, suspended);
}

async function explain(
  { db }: ClusterDeps,
  { id, detail: known }: RunOfCluster,
  detail: string,
): Promise<void> {
  if (detail === known) return;
  await db.withSystem("explain the wait of a run", (tx) => queries.recordDetail(tx, id, detail));
}

async function endQueued(
  { db }: ClusterDeps,
  { id, org_id }: RunOfCluster,
  detail: string,
): Promise<void> {
  await db.tenant(org_id, (tx) => runEnds.endQueued(tx, { id }, "failed", detail));
}

/** Does work for each item, a few at once. The first error of the connection ends it. */
async function forEach<Item>(
  items: readonly Item[],
  { closing }: Pick<ClusterDeps, "closing">,
  work: (item: Item) => Promise<unknown>,
): Promise<void> {
  const left = items.values();
  let hasFailed = false;
  const worker = async (): Promise<void> => {
    for (const item of left) {
      closing.throwIfAborted();
      if (hasFailed) return;
      try {
        await work(item);
      } catch (error) {
        hasFailed = true;
        throw error;
      }
    }
  };
  const ended = await Promise.allSettled(Array.from({ length: WORKERS }, worker));
  const failed = ended.find((run) => run.status === "rejected");
  if (failed) throw failed.reason;
}
