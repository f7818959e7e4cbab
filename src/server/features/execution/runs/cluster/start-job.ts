import { randomBytes } from "node:crypto";
import type { V1Job } from "@kubernetes/client-node";
import { hashRunnerToken } from "../../runners/index.js";
import { isClusterError } from "./api/cluster-api.js";
import type { ClusterDeps } from "./cluster-deps.js";
import * as queries from "./cluster-runs.queries.js";
import type { ClusterRun, ServerPlace } from "./manifests/cluster-run.js";
import { jobOf, labelsOf } from "./manifests/job-manifest.js";
import { NONCE, ownerOf } from "./manifests/names.js";
import { networkPolicyOf } from "./manifests/network-policy.js";
import { secretOf, jobToken } from "./manifests/secret-manifest.js";

/** The installation and the cluster's row. */
export interface Own {
  installation: string;
  clusterId: string;
}

/**
 * Creates the Job of a run, suspended.
 * @throws ClusterError
 */
export function createJob(
  { api, settings, runSettings }: ClusterDeps,
  { installation }: Own,
  run: ClusterRun,
  place: ServerPlace,
): Promise<V1Job> {
  const nonce = randomBytes(16).toString("hex");
  return api.createJob(
    jobOf(run, settings, place, {
      installation,
      nonce,
      stopGraceSeconds: runSettings.runStopGraceSeconds,
    }),
  );
}

/**
 * Gives a suspended Job its token and its network policy, and starts its pod. Each step can be repeated, also by two
 * servers at once: all of them make the same for one Job. What is made is owned by the Job and deleted with it.
 * @throws ClusterError
 */
export async function resumeJob(
  { db, api, settings, closing }: ClusterDeps,
  { installation, clusterId }: Own,
  run: ClusterRun,
  place: ServerPlace,
  job: V1Job,
): Promise<void> {
  const { name = "", uid = "", annotations } = job.metadata ?? {};
  const nonce = annotations?.[NONCE] ?? "";
  const token = jobToken(db.verificationKey, run.id, nonce);
  const hash = hashRunnerToken(db.verificationKey, token);
  const isWaiting = await db.withSystem("store the token of a Job", (tx) =>
    queries.storeJobToken(tx, clusterId, run.id, hash),
  );
  if (!isWaiting) return;
  const meta = { labels: labelsOf(run, installation), owner: ownerOf(job) };
  closing.throwIfAborted();
  await unlessExisting(api.createSecret(secretOf(run.id, token, nonce, meta)));
  closing.throwIfAborted();
  await unlessExisting(api.createNetworkPolicy(networkPolicyOf(run, settings, place, nonce, meta)));
  closing.throwIfAborted();
  await api.resumeJob(name, uid);
}

/** An existing object of the name was made for the same Job. */
async function unlessExisting(created: Promise<void>): Promise<void> {
  try {
    await created;
  } catch (error) {
    if (!isClusterError(error, "exists")) throw error;
  }
}
