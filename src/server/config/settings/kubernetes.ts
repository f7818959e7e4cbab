import { group, setting, type Setting, type SettingGroup } from "../setting.js";
import {
  containerImage,
  kubernetesLabels,
  kubernetesTolerations,
  networks,
  pattern,
  publicAddress,
  wholeNumber,
} from "../setting-types.js";

/** Runs in a Kubernetes cluster. */
export const kubernetesSettings = {
  egressPort: setting({
    variable: "OMOI_EGRESS_PORT",
    type: wholeNumber(0, 65_535),
    default: null,
    documentation:
      "Port of the proxy through which the pods of runs with a restricted network reach their allowed hosts; `0` takes a free port.",
  }),
  kubernetes: group(
    {
      namespace: setting({
        variable: "OMOI_KUBERNETES_NAMESPACE",
        type: pattern(/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/, "must be the name of a namespace"),
        default: null,
        requires: ["OMOI_KUBERNETES_IMAGE"],
        documentation:
          "Namespace of the Jobs of runs in workspaces of the type `kubernetes`. The cluster is that of `KUBECONFIG` or of the pod's service account.",
      }),
      image: setting({
        variable: "OMOI_KUBERNETES_IMAGE",
        type: containerImage,
        default: null,
        requires: ["OMOI_KUBERNETES_NAMESPACE"],
        documentation:
          "Omoi's own image, in the version of the server. Commands run in it too where a project names no other.",
      }),
      serverUrl: setting({
        variable: "OMOI_KUBERNETES_SERVER_URL",
        type: publicAddress,
        default: null,
        shownDefault: "`OMOI_PUBLIC_URL`",
        requires: ["OMOI_KUBERNETES_NAMESPACE"],
        documentation: "Address of the server for pods, such as `http://omoi.omoi.svc:8080`.",
      }),
      serverPods: setting({
        variable: "OMOI_KUBERNETES_SERVER_PODS",
        type: kubernetesLabels,
        default: "",
        requires: ["OMOI_KUBERNETES_NAMESPACE"],
        documentation:
          "Labels of the pods of the server, `key=value,…`, where it runs in the cluster. Pods of runs reach these and `OMOI_KUBERNETES_SERVER_NETWORKS` only.",
      }),
      serverNamespace: setting({
        variable: "OMOI_KUBERNETES_SERVER_NAMESPACE",
        type: pattern(/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/, "must be the name of a namespace"),
        default: null,
        shownDefault: "that of the Jobs",
        requires: ["OMOI_KUBERNETES_SERVER_PODS"],
        documentation: "Namespace of the pods of the server.",
      }),
      serverNetworks: setting({
        variable: "OMOI_KUBERNETES_SERVER_NETWORKS",
        type: networks,
        default: "",
        requires: ["OMOI_KUBERNETES_NAMESPACE"],
        documentation:
          "Networks of the server and of what leads to it, such as `192.0.2.10/32`, where it runs outside of the cluster.",
      }),
      egressUrl: setting({
        variable: "OMOI_KUBERNETES_EGRESS_URL",
        type: publicAddress,
        default: null,
        requires: ["OMOI_KUBERNETES_NAMESPACE", "OMOI_EGRESS_PORT"],
        documentation:
          "Address of the port `OMOI_EGRESS_PORT` for pods, such as `http://omoi.omoi.svc:8081`. Without it, no run in the cluster has a restricted network.",
      }),
      maxRuns: setting({
        variable: "OMOI_KUBERNETES_MAX_RUNS",
        type: wholeNumber(1, 1000),
        default: "50",
        documentation: "Runs in the cluster at once.",
      }),
      startMinutes: setting({
        variable: "OMOI_KUBERNETES_START_MINUTES",
        type: wholeNumber(1, 1440),
        default: "15",
        documentation:
          "Minutes that the cluster has to start a run: to find a node for its pod and to pull the images.",
      }),
      runtimeClass: setting({
        variable: "OMOI_KUBERNETES_RUNTIME_CLASS",
        type: pattern(
          /^[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?$/,
          "must be the name of a runtime class",
        ),
        default: null,
        requires: ["OMOI_KUBERNETES_NAMESPACE"],
        documentation: "`runtimeClassName` of the pods, such as `gvisor`.",
      }),
      nodeSelector: setting({
        variable: "OMOI_KUBERNETES_NODE_SELECTOR",
        type: kubernetesLabels,
        default: "",
        requires: ["OMOI_KUBERNETES_NAMESPACE"],
        documentation: "Labels of the nodes of the cluster that take the pods, `key=value,…`.",
      }),
      tolerations: setting({
        variable: "OMOI_KUBERNETES_TOLERATIONS",
        type: kubernetesTolerations,
        default: "[]",
        requires: ["OMOI_KUBERNETES_NAMESPACE"],
        documentation:
          'Taints of nodes that the pods tolerate, as a list of tolerations in JSON: `[{"key": "omoi.dev/runs", "operator": "Exists", "effect": "NoSchedule"}]`.',
      }),
      pullSecret: setting({
        variable: "OMOI_KUBERNETES_PULL_SECRET",
        type: pattern(/^[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?$/, "must be the name of a secret"),
        default: null,
        requires: ["OMOI_KUBERNETES_NAMESPACE"],
        documentation: "Secret of the namespace with which images are pulled.",
      }),
    },
    ({ namespace, image, ...rest }) =>
      namespace === null || image === null ? null : { namespace, image, ...rest },
  ),
} satisfies Record<string, Setting<unknown> | SettingGroup<unknown>>;
