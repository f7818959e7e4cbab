import type { SandboxState } from "#shared/api/agents/sandbox.js";
import type { Queryable } from "../../db/connection/connect.js";
import { AppError } from "../../errors.js";
import { findCluster } from "./runners.queries.js";

const NO_CLUSTER =
  "No server of this installation uses a Kubernetes cluster; ask its operator to set OMOI_KUBERNETES_NAMESPACE";

/** Returns the error of what needs the cluster, if there is none. */
export function kubernetesUnavailable(): AppError {
  return new AppError("kubernetes_unavailable", `${NO_CLUSTER}, or use another type of workspace.`);
}

/** @throws AppError 422 `kubernetes_unavailable` */
export async function requireCluster(tx: Queryable): Promise<void> {
  if ((await findCluster(tx)) === undefined) throw kubernetesUnavailable();
}

/** Returns whether the installation has a cluster, and why its runs wait. */
export async function kubernetesState(tx: Queryable): Promise<SandboxState["kubernetes"]> {
  const cluster = await findCluster(tx);
  if (cluster === undefined) return { available: false, reason: NO_CLUSTER };
  return { available: true, reason: waitReasons[cluster.status] };
}

const waitReasons: Record<"online" | "paused" | "offline", string | null> = {
  online: null,
  paused: "The cluster is paused, and takes no new runs until a super admin resumes it",
  offline:
    "The cluster has not been heard of for a minute; runs wait until a server reaches it again",
};
