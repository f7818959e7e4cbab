import type * as library from "@kubernetes/client-node";
import type { KubeConfig, V1Job, V1ListMeta, V1Pod } from "@kubernetes/client-node";
import { ConfigError } from "#shared/node/config-error.js";
import { existsSync } from "node:fs";
import { sendBounded } from "./bounded-http.js";
import { classifyError } from "./classify-error.js";
import { deletionOf, isClusterError, type ClusterApi, type Listed } from "./cluster-api.js";

type Client = typeof library;

/** Items of one page of a list. */
const PAGE = 250;
/** Pages that are read of a list: more than the maximum number of runs in the cluster. */
const MAX_PAGES = 10;

const SERVICE_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount/token";

/**
 * Opens the API of the cluster of `KUBECONFIG`, or of the pod's service account.
 * @throws ConfigError when neither names a cluster
 */
export async function openClusterApi(
  namespace: string,
  env: NodeJS.ProcessEnv = process.env,
): Promise<ClusterApi> {
  // Loaded here only: it takes a second and much memory.
  const client = await import("@kubernetes/client-node");
  const kubeConfig = readKubeConfig(client, env);
  const server = kubeConfig.getCurrentCluster()?.server;
  if (server === undefined || !URL.canParse(server)) throw noCluster("names no cluster");
  const configuration = client.createConfiguration({
    baseServer: new client.ServerConfiguration(server.replace(/\/$/, ""), {}),
    authMethods: { default: kubeConfig },
    httpApi: client.wrapHttpLibrary({
      send: async (request) => {
        const { status, headers, body } = await sendBounded(request);
        return new client.ResponseContext(status, headers, {
          text: async () => body.toString("utf8"),
          binary: async () => body,
        });
      },
    }),
  });
  const batch = new client.BatchV1Api(configuration);
  const core = new client.CoreV1Api(configuration);
  const networking = new client.NetworkingV1Api(configuration);
  return {
    host: new URL(server).host,
    listJobs: (labelSelector) =>
      listAll<V1Job>((limit, page) =>
        batch.listNamespacedJob({ namespace, labelSelector, limit, ...page }),
      ),
    listPods: (labelSelector) =>
      listAll<V1Pod>((limit, page) =>
        core.listNamespacedPod({ namespace, labelSelector, limit, ...page }),
      ),
    createJob: (body) => call(() => batch.createNamespacedJob({ namespace, body })),
    resumeJob: async (name, uid) => {
      await call(() =>
        batch.patchNamespacedJob(
          // The uid excludes another Job of the name.
          { namespace, name, body: { metadata: { uid }, spec: { suspend: false } } },
          client.setHeaderOptions("Content-Type", client.PatchStrategy.MergePatch),
        ),
      );
    },
    deleteJob: async (name, uid) => {
      try {
        await call(() => batch.deleteNamespacedJob({ namespace, name, body: deletionOf(uid) }));
      } catch (error) {
        if (!isClusterError(error, "not found", "conflict")) throw error;
      }
    },
    createSecret: async (body) => {
      await call(() => core.createNamespacedSecret({ namespace, body }));
    },
    createNetworkPolicy: async (body) => {
      await call(() => networking.createNamespacedNetworkPolicy({ namespace, body }));
    },
  };
}

/** @throws ClusterError */
async function call<Result>(send: () => Promise<Result>): Promise<Result> {
  try {
    return await send();
  } catch (error) {
    throw classifyError(error);
  }
}

async function listAll<Item>(
  list: (
    limit: number,
    page: { _continue?: string },
  ) => Promise<{ items?: Item[]; metadata?: V1ListMeta }>,
): Promise<Listed<Item>> {
  const items: Item[] = [];
  let next: string | undefined;
  for (let pages = 0; pages < MAX_PAGES; pages += 1) {
    const page = next === undefined ? {} : { _continue: next };
    const { items: found, metadata } = await call(() => list(PAGE, page));
    // A server may ignore the limit.
    items.push(...(found ?? []).slice(0, PAGE));
    if ((found?.length ?? 0) > PAGE) return { items, isTruncated: true };
    next = metadata?._continue || undefined;
    if (next === undefined) return { items, isTruncated: false };
  }
  return { items, isTruncated: true };
}

/** @throws ConfigError */
function readKubeConfig(client: Client, env: NodeJS.ProcessEnv): KubeConfig {
  const config = new client.KubeConfig();
  const paths = (env["KUBECONFIG"] ?? "").split(":").filter(Boolean);
  if (paths.length === 0) {
    if (!env["KUBERNETES_SERVICE_HOST"] || !existsSync(SERVICE_ACCOUNT))
      throw noCluster("is unset");
    config.loadFromCluster();
    return config;
  }
  for (const [index, path] of paths.entries()) {
    try {
      if (index === 0) {
        config.loadFromFile(path);
        continue;
      }
      const further = new client.KubeConfig();
      further.loadFromFile(path);
      config.mergeConfig(further, true);
    } catch (error) {
      throw new ConfigError(`KUBECONFIG: "${path}" cannot be read: ${(error as Error).message}`);
    }
  }
  return config;
}

function noCluster(state: string): ConfigError {
  return new ConfigError(
    `OMOI_KUBERNETES_NAMESPACE needs a cluster, and KUBECONFIG ${state}; set it to the path of a kubeconfig file, or run the server in a pod with the token of a service account`,
  );
}
