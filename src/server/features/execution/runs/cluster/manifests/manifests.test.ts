import { randomUUID } from "node:crypto";
import type { V1Job, V1OwnerReference } from "@kubernetes/client-node";
import { describe, expect, test } from "vitest";
import { kubernetesProblems } from "#test/support/kubernetes/kubernetes-problems.js";
import type { ClusterRun, ClusterSettings, ServerPlace } from "./cluster-run.js";
import { jobOf, labelsOf } from "./job-manifest.js";
import { LABELS, ownedName } from "./names.js";
import { networkPolicyOf } from "./network-policy.js";
import { secretOf } from "./secret-manifest.js";

const settings: ClusterSettings = {
  namespace: "omoi-runs",
  image: "registry.example.com/omoi:0.2",
  serverUrl: "http://omoi.omoi.svc:8080",
  serverPods: { "app.kubernetes.io/name": "omoi" },
  serverNamespace: null,
  serverNetworks: [],
  egressUrl: "http://omoi.omoi.svc:8081",
  maxRuns: 50,
  startMinutes: 15,
  runtimeClass: null,
  nodeSelector: {},
  tolerations: [],
  pullSecret: null,
};
const place: ServerPlace = {
  url: "http://omoi.omoi.svc:8080",
  hosts: [{ name: "omoi.omoi.svc", addresses: ["10.96.0.7", "fd00::7"] }],
  port: 9090,
  egressPort: 9091,
};
const run: ClusterRun = {
  id: randomUUID(),
  org_id: randomUUID(),
  project_id: randomUUID(),
  agent_id: randomUUID(),
  network: "none",
  timeout_seconds: 3600,
  limits: {
    memory_bytes: 4 * 2 ** 30,
    processes: 100,
    cpus: 1.5,
    disk_bytes: 10 * 2 ** 30,
    output_bytes: 2 ** 20,
  },
  image: "node:22",
};
const installation = randomUUID();
const nonce = "0123456789abcdef0123456789abcdef";
const owner: V1OwnerReference = {
  apiVersion: "batch/v1",
  kind: "Job",
  name: `omoi-run-${run.id}`,
  uid: randomUUID(),
  controller: false,
  blockOwnerDeletion: false,
};
const meta = { labels: labelsOf(run, installation), owner };

const podOf = (job: V1Job) => {
  const pod = job.spec?.template.spec;
  if (!pod) throw new Error("no pod");
  return pod;
};

describe("the manifests of a run", () => {
  const variants: [string, Partial<ClusterRun>, Partial<ClusterSettings>][] = [
    ["none", {}, {}],
    ["restricted", { network: "restricted" }, {}],
    ["full", { network: "full" }, {}],
    [
      "all settings",
      { network: "full" },
      {
        runtimeClass: "gvisor",
        nodeSelector: { "example.com/pool": "runs", empty: "" },
        tolerations: [
          { operator: "Exists", effect: "NoExecute", tolerationSeconds: 60 },
          { key: "example.com/pool", value: "runs" },
        ],
        pullSecret: "registry",
        serverNetworks: ["192.0.2.10/32", "2001:db8::/64"],
      },
    ],
    [
      "no limits",
      { limits: { ...run.limits, cpus: null, disk_bytes: null } },
      { serverPods: {}, egressUrl: null },
    ],
  ];

  test.each(variants)("are valid in Kubernetes 1.32: %s", (_name, changes, changed) => {
    const one = { ...run, ...changes };
    const its = { ...settings, ...changed };
    expect(
      kubernetesProblems(jobOf(one, its, place, { installation, nonce, stopGraceSeconds: 10 })),
    ).toEqual([]);
    expect(kubernetesProblems(networkPolicyOf(one, its, place, nonce, meta))).toEqual([]);
    expect(kubernetesProblems(secretOf(one.id, "omoi_runner_x", nonce, meta))).toEqual([]);
  });

  test("make a suspended Job that is never repeated, and ends by itself", () => {
    const { metadata, spec } = jobOf(run, settings, place, {
      installation,
      nonce,
      stopGraceSeconds: 10,
    });
    expect(metadata?.name).toBe(`omoi-run-${run.id}`);
    expect(metadata?.labels).toEqual(spec?.template.metadata?.labels);
    expect(metadata?.labels).toMatchObject({
      [LABELS.installation]: installation,
      [LABELS.run]: run.id,
      [LABELS.agent]: run.agent_id,
      [LABELS.project]: run.project_id,
      [LABELS.organization]: run.org_id,
    });
    expect(spec).toMatchObject({
      suspend: true,
      backoffLimit: 0,
      activeDeadlineSeconds: 15 * 60 + 2 * 3600 + 2 * 3600,
      ttlSecondsAfterFinished: 3600,
    });
  });

  test("give no container privileges, and the command no token", () => {
    const pod = podOf(jobOf(run, settings, place, { installation, nonce, stopGraceSeconds: 10 }));
    expect(pod).toMatchObject({
      restartPolicy: "Never",
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      securityContext: { runAsNonRoot: true, runAsUser: 10_001, fsGroup: 10_001 },
    });
    const containers = [...(pod.initContainers ?? []), ...pod.containers];
    expect(containers.map(({ name }) => name)).toEqual(["tools", "runner", "command"]);
    for (const { name, securityContext, terminationMessagePolicy } of containers) {
      expect(securityContext).toMatchObject({
        runAsNonRoot: true,
        runAsUser: 10_001,
        allowPrivilegeEscalation: false,
        capabilities: { drop: ["ALL"] },
        seccompProfile: { type: "RuntimeDefault" },
      });
      expect([name, securityContext?.readOnlyRootFilesystem]).toEqual([
        name,
        name === "command" ? undefined : true,
      ]);
      // The runner explains itself, and its log is for operators.
      expect(terminationMessagePolicy).toBe(name === "runner" ? "File" : "FallbackToLogsOnError");
    }
    const [runner, command] = pod.containers;
    expect(command?.env).toEqual([{ name: "LD_PRELOAD", value: "" }]);
    expect(command?.image).toBe("node:22");
    expect(command?.volumeMounts?.map(({ name }) => name)).not.toContain("data");
    expect(JSON.stringify(command)).not.toContain(ownedName(run.id, nonce));
    expect(runner?.env).toContainEqual({
      name: "OMOI_RUNNER_TOKEN",
      valueFrom: { secretKeyRef: { name: ownedName(run.id, nonce), key: "token" } },
    });
    expect(JSON.stringify(pod)).not.toContain("omoi_runner_");
  });

  test("give the user of the pod a working tree and a home of its own", () => {
    const pod = podOf(jobOf(run, settings, place, { installation, nonce, stopGraceSeconds: 10 }));
    const [tools] = pod.initContainers ?? [];
    expect(tools?.args?.slice(-2)).toEqual(["/volumes/workspace/own", "/volumes/home/own"]);
    expect(tools?.volumeMounts).toMatchObject([
      { name: "tools" },
      { name: "workspace", mountPath: "/volumes/workspace" },
      { name: "home", mountPath: "/volumes/home" },
    ]);
    for (const { volumeMounts } of pod.containers) {
      expect(volumeMounts).toEqual(
        expect.arrayContaining([
          { name: "workspace", mountPath: "/workspace", subPath: "own" },
          { name: "home", mountPath: "/home/agent", subPath: "own" },
        ]),
      );
    }
  });

  test("limit the command to the run's resources", () => {
    const pod = podOf(jobOf(run, settings, place, { installation, nonce, stopGraceSeconds: 10 }));
    const amounts = {
      cpu: "1500m",
      memory: String(4 * 2 ** 30),
      "ephemeral-storage": String(10 * 2 ** 30),
    };
    expect(pod.containers[1]?.resources).toEqual({ requests: amounts, limits: amounts });
    expect(pod.volumes?.map(({ name, emptyDir }) => [name, emptyDir?.sizeLimit])).toEqual([
      ["tools", "512Mi"],
      ["data", String(10 * 2 ** 30)],
      ["workspace", String(10 * 2 ** 30)],
      ["home", String(10 * 2 ** 30)],
      ["borrowed", String(10 * 2 ** 30)],
      ["socket", "1Mi"],
    ]);
  });

  test("name the server's addresses, so that no name server is needed", () => {
    const ofNetwork = (network: ClusterRun["network"]) =>
      podOf(
        jobOf({ ...run, network }, settings, place, { installation, nonce, stopGraceSeconds: 10 }),
      );
    for (const network of ["none", "restricted"] as const) {
      const { hostAliases, dnsPolicy, containers } = ofNetwork(network);
      expect(hostAliases).toEqual([
        { ip: "10.96.0.7", hostnames: ["omoi.omoi.svc"] },
        { ip: "fd00::7", hostnames: ["omoi.omoi.svc"] },
      ]);
      expect(dnsPolicy).toBe("None");
      const proxy = containers[0]?.env?.find(({ name }) => name === "OMOI_EGRESS_URL");
      expect(proxy?.value).toBe(network === "restricted" ? settings.egressUrl : undefined);
    }
    expect(ofNetwork("full").dnsPolicy).toBeUndefined();
    const literal = { ...place, hosts: [{ name: "10.0.0.1", addresses: ["10.0.0.1"] }] };
    expect(
      podOf(jobOf(run, settings, literal, { installation, nonce, stopGraceSeconds: 10 }))
        .hostAliases,
    ).toBe(undefined);
  });
});

describe("the network policy of a run", () => {
  const egressOf = (network: ClusterRun["network"], changed: Partial<ClusterSettings> = {}) => {
    const policy = networkPolicyOf(
      { ...run, network },
      { ...settings, ...changed },
      place,
      nonce,
      meta,
    );
    expect(policy.spec).toMatchObject({
      podSelector: { matchLabels: { [LABELS.run]: run.id } },
      policyTypes: ["Ingress", "Egress"],
      ingress: [],
    });
    return policy.spec?.egress ?? [];
  };
  const pods = { podSelector: { matchLabels: settings.serverPods } };

  test("opens the server only, and for a restricted network its proxy", () => {
    const ports = (...numbers: number[]) => numbers.map((port) => ({ protocol: "TCP", port }));
    expect(egressOf("none")).toEqual([{ to: [pods], ports: ports(9090, 8080) }]);
    expect(egressOf("restricted")).toEqual([{ to: [pods], ports: ports(9090, 8080, 9091, 8081) }]);
    const serverNetworks = ["192.0.2.0/24"];
    expect(egressOf("none", { serverNetworks })[0]?.to).toEqual([
      { ipBlock: { cidr: "192.0.2.0/24" } },
      pods,
    ]);
  });

  test("opens the addresses of the server's name without settings, and never all", () => {
    expect(egressOf("none", { serverPods: {} })[0]?.to).toEqual([
      { ipBlock: { cidr: "10.96.0.7/32" } },
      { ipBlock: { cidr: "fd00::7/128" } },
    ]);
    const nowhere = { ...place, hosts: [] };
    expect(() =>
      networkPolicyOf(run, { ...settings, serverPods: {} }, nowhere, nonce, meta),
    ).toThrow("no address");
  });

  test("opens public addresses and name servers for a full network", () => {
    const [server, open, names] = egressOf("full");
    expect(server?.to).toEqual([pods]);
    expect(open?.ports).toBeUndefined();
    const [v4, v6] = open?.to ?? [];
    expect(v4?.ipBlock?.cidr).toBe("0.0.0.0/0");
    expect(v4?.ipBlock?.except).toEqual(
      expect.arrayContaining([
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "168.63.129.16/32",
        "172.16.0.0/12",
        "192.168.0.0/16",
      ]),
    );
    expect(v6?.ipBlock?.cidr).toBe("2000::/3");
    expect(names).toEqual({
      to: [
        {
          namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": "kube-system" } },
          podSelector: { matchLabels: { "k8s-app": "kube-dns" } },
        },
      ],
      ports: [
        { protocol: "UDP", port: 53 },
        { protocol: "TCP", port: 53 },
      ],
    });
  });
});

describe("the validation of manifests", () => {
  const job = () => jobOf(run, settings, place, { installation, nonce, stopGraceSeconds: 10 });

  test.each<[string, (job: V1Job) => void]>([
    ["spec.template.spec.bogus is unknown", (item) => Object.assign(podOf(item), { bogus: 1 })],
    [
      "spec.backoffLimit is not a whole number",
      (item) => Object.assign(item.spec ?? {}, { backoffLimit: "0" }),
    ],
    ["spec.template is missing", (item) => Object.assign(item.spec ?? {}, { template: undefined })],
    [
      "spec.template.spec.volumes[0].emptyDir.sizeLimit is not a quantity",
      (item) => Object.assign(podOf(item).volumes?.[0] ?? {}, { emptyDir: { sizeLimit: "5 GB" } }),
    ],
    [
      'metadata.labels.omoi.dev/run: "not a value!" is not a value',
      (item) => Object.assign(item.metadata?.labels ?? {}, { [LABELS.run]: "not a value!" }),
    ],
    [
      'metadata.name "Omoi" is not a DNS name',
      (item) => Object.assign(item.metadata ?? {}, { name: "Omoi" }),
    ],
    [
      "spec.template.spec.restartPolicy must be Never or OnFailure",
      (item) => Object.assign(podOf(item), { restartPolicy: "Always" }),
    ],
    [
      "spec.template.spec.containers(runner).volumeMounts: no volume data",
      (item) =>
        Object.assign(podOf(item), {
          volumes: podOf(item).volumes?.filter((v) => v.name !== "data"),
        }),
    ],
  ])("finds: %s", (problem, spoil) => {
    const one = job();
    spoil(one);
    expect(kubernetesProblems(one)).toContain(problem);
  });

  test("finds networks that are none, or not within another", () => {
    const policy = networkPolicyOf({ ...run, network: "full" }, settings, place, nonce, meta);
    const block = policy.spec?.egress?.[1]?.to?.[0]?.ipBlock;
    Object.assign(block ?? {}, { cidr: "10.0.0.0/8" });
    expect(kubernetesProblems(policy)).toContain(
      'spec.egress[1]: "192.168.0.0/16" is not within 10.0.0.0/8',
    );
    Object.assign(block ?? {}, { cidr: "10.0.0.0" });
    expect(kubernetesProblems(policy)).toContain('spec.egress[1]: "10.0.0.0" is not a network');
  });
});
