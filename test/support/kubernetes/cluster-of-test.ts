import { pino } from "pino";
import type { V1Pod, V1Secret } from "@kubernetes/client-node";
import type { Agent } from "#shared/api/work/agents.js";
import type { ClusterApi } from "#server/features/execution/runs/cluster/api/cluster-api.js";
import { openClusterApi } from "#server/features/execution/runs/cluster/api/open-cluster-api.js";
import type { ClusterDeps } from "#server/features/execution/runs/cluster/cluster-deps.js";
import type { ClusterSettings } from "#server/features/execution/runs/cluster/manifests/cluster-run.js";
import { reconcile } from "#server/features/execution/runs/cluster/reconcile.js";
import { queryAsOwner } from "../database/queries.js";
import { makeAgent } from "../fixtures/factories.js";
import { scriptedRunner, type ScriptedRunner } from "../runners/scripted-runner.js";
import type { TestApp, TestPerson } from "../server/app.js";
import { NAMESPACE, type ScriptedKubernetes } from "./scripted-api.js";

export const clusterSettings: ClusterSettings = {
  namespace: NAMESPACE,
  image: "registry.example.com/omoi:0.2",
  serverUrl: "http://127.0.0.1:8080",
  serverPods: { "app.kubernetes.io/name": "omoi" },
  serverNamespace: null,
  serverNetworks: [],
  egressUrl: "http://127.0.0.1:8081",
  maxRuns: 50,
  startMinutes: 15,
  runtimeClass: null,
  nodeSelector: {},
  tolerations: [],
  pullSecret: null,
};

/** A server's part of the cluster, whose passes a test calls. */
export interface ClusterOfTest {
  deps: ClusterDeps;
  settings: ClusterSettings;
  api: ClusterApi;
  /** Makes one pass. */
  pass(api?: ClusterApi): Promise<boolean>;
}

export async function openClusterOfTest(
  app: TestApp,
  kubernetes: ScriptedKubernetes,
  changes: Partial<ClusterSettings> = {},
): Promise<ClusterOfTest> {
  const api = await openClusterApi(NAMESPACE, { KUBECONFIG: kubernetes.kubeConfig });
  const settings = { ...clusterSettings, ...changes };
  const deps: ClusterDeps = {
    db: app.db,
    api,
    settings,
    runSettings: app.config,
    version: "0.2.0",
    findPlace: async () => ({
      url: clusterSettings.serverUrl as string,
      hosts: [{ name: "127.0.0.1", addresses: ["127.0.0.1"] }],
      port: 8080,
      egressPort: 8081,
    }),
    log: pino({ level: "silent" }),
    closing: new AbortController().signal,
  };
  return { deps, settings, api, pass: (other = api) => reconcile({ ...deps, api: other }) };
}

/** An agent with a workspace in the cluster. */
export async function makeInCluster(
  person: Pick<TestPerson, "api">,
  projectId: string,
): Promise<Agent> {
  const agent = await makeAgent(person, projectId);
  const body = { workspace_type: "kubernetes" } as const;
  await person.api.workspaces.create({ params: { agent_id: agent.id }, body });
  return agent;
}

/** Returns the only pod of a run's Job. */
export function podOf(
  kubernetes: ScriptedKubernetes,
  runId: string,
): Pick<V1Pod, "metadata" | "spec" | "status"> & { name: string } {
  const [pod, ...others] = kubernetes.podsOf(`omoi-run-${runId}`);
  if (!pod?.metadata?.name || others.length > 0) throw new Error(`no single pod of ${runId}`);
  const { metadata, spec, status } = pod;
  return { name: pod.metadata.name, metadata, spec, status } as ReturnType<typeof podOf>;
}

/** Returns the runner in a run's pod, with the token of its Secret. */
export function runnerInPod(
  kubernetes: ScriptedKubernetes,
  app: Pick<TestApp, "url">,
  runId: string,
): ScriptedRunner {
  const { spec, name } = podOf(kubernetes, runId);
  const runner = spec?.containers.find((container) => container.name === "runner");
  const reference = runner?.env?.find((one) => one.name === "OMOI_RUNNER_TOKEN")?.valueFrom;
  const secret = kubernetes
    .list<V1Secret>("secrets")
    .find(({ metadata }) => metadata?.name === reference?.secretKeyRef?.name);
  const token = Buffer.from(secret?.data?.["token"] ?? "", "base64").toString();
  return scriptedRunner(app.url, { id: name, name, token });
}

/** Lets the time pass in which the claimed runs must start. */
export const expireClaims = (app: TestApp): Promise<unknown> =>
  queryAsOwner(
    app,
    "update runs set offered_until = now() - interval '1 s' where in_cluster and status = 'queued'",
  );
