import type { SandboxState } from "#shared/api/execution/sandbox.js";
import type { Runner } from "#shared/api/execution/runners.js";
import type { Queryable } from "../../../db/connection/connect.js";
import { AppError } from "../../../errors.js";
import { findCluster } from "./runners.queries.js";

const NO_CLUSTER =
  "No server of this installation uses a Kubernetes cluster; ask its operator to set OMOI_KUBERNETES_NAMESPACE";

/**
 * Requires the cluster for a workspace, or for a run with a network.
 * @throws AppError 409 `network_not_isolated`; 422 `kubernetes_unavailable`
 */
export async function requireCluster(
  tx: Queryable,
  network: "none" | "restricted" | "full" = "none",
): Promise<void> {
  const cluster = await findCluster(tx);
  if (cluster === undefined) {
    throw new AppError(
      "kubernetes_unavailable",
      `${NO_CLUSTER}, or use another type of workspace.`,
    );
  }
  if (network !== "none" && !cluster.networks.includes(network)) {
    const cure =
      network === "restricted"
        ? "ask the server's operator to set OMOI_KUBERNETES_EGRESS_URL, or use another network"
        : "use another network";
    throw new AppError(
      "network_not_isolated",
      `The cluster gives no run the network ${network}; ${cure}.`,
    );
  }
}

/** Returns whether the installation has a cluster, and why its runs wait. */
export async function kubernetesState(tx: Queryable): Promise<SandboxState["kubernetes"]> {
  const cluster = await findCluster(tx);
  if (cluster === undefined) return { available: false, reason: NO_CLUSTER, networks: [] };
  const { status, networks } = cluster;
  return { available: true, reason: waitReasons[status], networks };
}

const waitReasons: Record<Runner["status"], string | null> = {
  online: null,
  paused: "The cluster is paused, and takes no new runs until a super admin resumes it",
  offline:
    "The cluster has not been heard of for a minute; runs wait until a server reaches it again",
};
