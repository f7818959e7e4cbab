/** The chart, rendered by Helm or by a small program in Go. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readConfig } from "#server/config/config.js";
import { kubernetesProblems } from "../support/kubernetes/kubernetes-problems.js";
import {
  openRenderer,
  type ChartObject,
  type ChartRenderer,
} from "../support/helm/render-chart.js";
import { isThorough } from "../support/thorough.js";

const renderer = await openRenderer();
const publicUrl = "https://omoi.example.com";

/** The parts of a StatefulSet that the tests read. */
interface Server {
  spec: { replicas: number; serviceName: string; template: { spec: PodSpec } };
}

interface PodSpec {
  serviceAccountName?: string;
  automountServiceAccountToken: boolean;
  hostUsers?: boolean;
  terminationGracePeriodSeconds: number;
  containers: {
    image: string;
    ports: { name: string; containerPort: number }[];
    env: Variable[];
    securityContext: { procMount?: string };
    startupProbe: { periodSeconds: number; failureThreshold: number };
    volumeMounts: { name: string; mountPath: string }[];
  }[];
  volumes?: { name: string }[];
}

interface Variable {
  name: string;
  value?: string;
  valueFrom?: {
    secretKeyRef?: { name: string; key: string };
    fieldRef?: { fieldPath: string };
  };
}

/** Settings for several servers, as in the guide. */
const cluster = {
  replicas: 3,
  cluster: { enabled: true },
  database: { existingSecret: "omoi", key: "database-url" },
  secrets: {
    OMOI_SECRET: { name: "omoi", key: "secret" },
    OMOI_CLUSTER_SECRET: { name: "omoi", key: "cluster-secret" },
  },
};

const cases: [title: string, values: object][] = [
  ["by default", {}],
  ["with a sandbox", { sandbox: { enabled: true } }],
  ["with an ingress", { ingress: { enabled: true, className: "nginx", tlsSecret: "tls" } }],
  [
    "with a database and settings",
    {
      database: { existingSecret: "db" },
      env: { OMOI_RUN_LOG_DAYS: 7 },
      persistence: { storageClass: "fast" },
    },
  ],
  ["with several servers", { ...cluster, kubernetes: { enabled: true } }],
  [
    "with secrets and volumes",
    {
      secrets: { OMOI_SMTP_URL: { name: "omoi", key: "smtp-url" } },
      extraVolumes: [{ name: "ca", configMap: { name: "ca" } }],
      extraVolumeMounts: [{ name: "ca", mountPath: "/etc/omoi", readOnly: true }],
    },
  ],
  ["with runs in the cluster", { kubernetes: { enabled: true } }],
  [
    "with every value of runs in the cluster",
    {
      image: { repository: "registry.example.com/omoi", tag: "0.9" },
      ingress: { enabled: true },
      sandbox: { enabled: true },
      kubernetes: {
        enabled: true,
        namespace: "runs",
        serverNetworks: "10.0.0.0/8,fd00::/8",
        image: "registry.example.com/other:1",
        pullSecret: "pull",
        runtimeClass: "gvisor",
        nodeSelector: { "omoi.dev/runs": true, disk: "ssd" },
        tolerations: [{ key: "omoi.dev/runs", operator: "Exists", effect: "NoSchedule" }],
        maxRuns: 1000,
      },
    },
  ],
];

test.runIf(isThorough)("Helm or Go is installed, so that the chart is rendered", () => {
  expect(renderer).not.toBeNull();
});

describe.skipIf(renderer === null)("the chart", () => {
  let chart: ChartRenderer;
  beforeAll(() => {
    chart = renderer as ChartRenderer;
  });
  afterAll(() => chart.close());

  const find = (objects: readonly ChartObject[], kind: string): ChartObject => {
    const [found, ...more] = objects.filter((object) => object.kind === kind);
    expect([kind, found !== undefined, more]).toEqual([kind, true, []]);
    return found as ChartObject;
  };
  const render = (values: object) => chart.render({ publicUrl, ...values });
  const podOf = (objects: readonly ChartObject[]): PodSpec =>
    (find(objects, "StatefulSet") as unknown as Server).spec.template.spec;
  /** Reads the settings of the server as it does, in a pod of the StatefulSet. */
  const configOf = ({ containers }: PodSpec, podName = "team-0") => {
    const env: Record<string, string> = { OMOI_SECRET: "x".repeat(64) };
    for (const { name, value, valueFrom } of containers[0]?.env ?? []) {
      if (valueFrom?.fieldRef) {
        expect(valueFrom.fieldRef).toEqual({ fieldPath: "metadata.name" });
        env[name] = podName;
      } else if (valueFrom?.secretKeyRef) {
        const { key } = valueFrom.secretKeyRef;
        const urls: Record<string, string> = {
          url: "postgres://omoi@db.example.com/omoi",
          "database-url": "postgres://omoi@db.example.com/omoi",
          "smtp-url": "smtps://mail.example.com:465",
        };
        env[name] = urls[key] ?? "x".repeat(64);
      } else {
        // Kubernetes inserts variables that stand before.
        env[name] = (value ?? "").replaceAll(/\$\((\w+)\)/g, (all, before) => env[before] ?? all);
      }
    }
    return readConfig(env);
  };

  test.each(cases)("has valid objects %s", async (_title, values) => {
    const objects = await render(values);
    expect(objects.flatMap(kubernetesProblems)).toEqual([]);
    const names = objects.map(({ kind, metadata: { name } }) => `${kind} ${name}`);
    expect(new Set(names).size).toBe(names.length);
    expect(names).toEqual(expect.arrayContaining(["Service team", "StatefulSet team"]));
    expect(configOf(podOf(objects)).publicUrl).toBe(publicUrl);
  });

  test("has no right in the cluster by default", async () => {
    const objects = await render({});
    expect(objects.map(({ kind }) => kind).toSorted()).toEqual(["Service", "StatefulSet"]);
    const pod = podOf(objects);
    expect(pod).toMatchObject({ automountServiceAccountToken: false });
    expect(pod.serviceAccountName).toBeUndefined();
    expect(configOf(pod)).toMatchObject({ kubernetes: null, egressPort: null });
  });

  test("gives the server only the rights that it needs for Jobs", async () => {
    const objects = await render({ kubernetes: { enabled: true } });
    expect(find(objects, "Role")).toMatchObject({
      metadata: { name: "team-runs", namespace: "tools" },
      rules: [
        {
          apiGroups: ["batch"],
          resources: ["jobs"],
          verbs: ["create", "list", "patch", "delete"],
        },
        { apiGroups: [""], resources: ["pods"], verbs: ["list"] },
        { apiGroups: [""], resources: ["secrets"], verbs: ["create"] },
        {
          apiGroups: ["networking.k8s.io"],
          resources: ["networkpolicies"],
          verbs: ["create"],
        },
      ],
    });
    expect(find(objects, "RoleBinding")).toMatchObject({
      metadata: { name: "team-runs", namespace: "tools" },
      roleRef: { kind: "Role", name: "team-runs" },
      subjects: [{ kind: "ServiceAccount", name: "team", namespace: "tools" }],
    });
    expect(find(objects, "ServiceAccount")).toMatchObject({
      metadata: { name: "team", namespace: "tools" },
      automountServiceAccountToken: false,
    });
    expect(podOf(objects)).toMatchObject({
      serviceAccountName: "team",
      automountServiceAccountToken: true,
    });
  });

  test("sets up runs in the release's namespace with the server's image", async () => {
    const objects = await render({ kubernetes: { enabled: true } });
    const pod = podOf(objects);
    const { kubernetes, egressPort } = configOf(pod);
    expect(kubernetes).toMatchObject({
      namespace: "tools",
      image: pod.containers[0]?.image,
      serverUrl: "http://team.tools.svc:8080",
      egressUrl: "http://team.tools.svc:8081",
      serverPods: { "app.kubernetes.io/name": "omoi", "app.kubernetes.io/instance": "team" },
      serverNetworks: [],
      maxRuns: 50,
      runtimeClass: null,
      nodeSelector: {},
      tolerations: [],
      pullSecret: null,
    });
    expect(egressPort).toBe(8081);
    expect(pod.containers[0]?.ports).toEqual([
      { name: "http", containerPort: 8080 },
      { name: "egress", containerPort: egressPort },
    ]);
    const service = find(objects, "Service");
    expect(service).toMatchObject({
      spec: {
        selector: kubernetes?.serverPods,
        ports: [
          { name: "http", port: 8080, targetPort: "http" },
          { name: "egress", port: 8081, targetPort: "egress" },
        ],
      },
    });
  });

  test("sets up runs in another namespace", async () => {
    const values = Object.fromEntries(cases)["with every value of runs in the cluster"] ?? {};
    const objects = await render(values);
    expect(configOf(podOf(objects)).kubernetes).toMatchObject({
      namespace: "runs",
      image: "registry.example.com/other:1",
      serverPods: { "app.kubernetes.io/name": "omoi", "app.kubernetes.io/instance": "team" },
      serverNamespace: "tools",
      serverNetworks: ["10.0.0.0/8", "fd00::/8"],
      maxRuns: 1000,
      runtimeClass: "gvisor",
      nodeSelector: { "omoi.dev/runs": "true", disk: "ssd" },
      tolerations: [{ key: "omoi.dev/runs", operator: "Exists", effect: "NoSchedule" }],
      pullSecret: "pull",
    });
    for (const kind of ["Role", "RoleBinding"]) {
      expect(find(objects, kind).metadata.namespace).toBe("runs");
    }
    expect(find(objects, "ServiceAccount").metadata.namespace).toBe("tools");
  });

  test("allows the sandbox, and leads the ingress to the server", async () => {
    const pod = podOf(await render({ sandbox: { enabled: true } }));
    expect(pod.hostUsers).toBe(false);
    expect(pod.containers[0]?.securityContext.procMount).toBe("Unmasked");
    const objects = await render({ ingress: { enabled: true } });
    const backend = { service: { name: "team", port: { name: "http" } } };
    expect(find(objects, "Ingress")).toMatchObject({
      spec: { rules: [{ http: { paths: [{ path: "/", backend }] } }] },
    });
  });

  test("needs the address that people open", async () => {
    await expect(chart.render({})).rejects.toThrow("publicUrl is the address that people open");
    await expect(render({ replica: 2 })).rejects.toThrow("replica");
  });

  test("takes settings from secrets, by their names and keys alone", async () => {
    const values = {
      database: { existingSecret: "db" },
      secrets: {
        OMOI_SMTP_URL: { name: "omoi", key: "smtp-url" },
        OMOI_S3_SECRET_ACCESS_KEY: { name: "storage", key: "key" },
      },
    };
    const { env = [] } = podOf(await render(values)).containers[0] ?? {};
    const taken = env.flatMap(({ name, value, valueFrom }) =>
      valueFrom ? [[name, value, valueFrom.secretKeyRef]] : [],
    );
    expect(taken).toEqual([
      ["OMOI_DATABASE_URL", undefined, { name: "db", key: "url" }],
      ["OMOI_S3_SECRET_ACCESS_KEY", undefined, { name: "storage", key: "key" }],
      ["OMOI_SMTP_URL", undefined, { name: "omoi", key: "smtp-url" }],
    ]);
    const twice = render({ ...values, env: { OMOI_SMTP_URL: "smtp://mail.example.com" } });
    await expect(twice).rejects.toThrow("OMOI_SMTP_URL is in secrets and in env");
  });

  test("mounts further volumes", async () => {
    const values = Object.fromEntries(cases)["with secrets and volumes"] ?? {};
    const pod = podOf(await render(values));
    expect(pod.volumes).toEqual([{ name: "ca", configMap: { name: "ca" } }]);
    expect(pod.containers[0]?.volumeMounts).toEqual([
      { name: "data", mountPath: "/data" },
      { name: "ca", mountPath: "/etc/omoi", readOnly: true },
    ]);
  });

  test("gives each of several servers a name, a volume and an address of its own", async () => {
    const objects = await render(cluster);
    const pod = podOf(objects);
    const { spec } = find(objects, "StatefulSet") as unknown as Server;
    expect(spec).toMatchObject({
      replicas: 3,
      // It cannot be changed in an installed release.
      serviceName: "team",
      volumeClaimTemplates: [{ metadata: { name: "data" } }],
    });
    const own = objects.filter(
      ({ kind, metadata: { name } }) => kind === "Service" && name !== "team",
    );
    expect(own.map(({ metadata: { name } }) => name)).toEqual(["team-0", "team-1", "team-2"]);
    for (const { metadata, spec: service } of own) {
      const { name } = metadata;
      expect(configOf(pod, name)).toMatchObject({
        dataDir: "/data/omoi",
        nodeName: name,
        nodeUrl: `http://${name}.tools.svc:8080`,
      });
      expect(service).toMatchObject({
        clusterIP: "None",
        publishNotReadyAddresses: true,
        selector: { "statefulset.kubernetes.io/pod-name": name },
        ports: [{ port: 8080, targetPort: "http" }],
      });
    }
    expect(find(objects, "PodDisruptionBudget")).toMatchObject({
      spec: {
        maxUnavailable: 1,
        selector: { matchLabels: { "app.kubernetes.io/instance": "team" } },
      },
    });
    // The first step of the guide.
    const first = await render({ ...cluster, replicas: 1 });
    expect(configOf(podOf(first)).nodeName).toBe("team-0");
    expect(first.map(({ kind }) => kind)).not.toContain("PodDisruptionBudget");
  });

  test("explains what several servers need", async () => {
    await expect(render({ replicas: 2 })).rejects.toThrow("replicas need cluster.enabled");
    await expect(render({ ...cluster, database: {} })).rejects.toThrow(
      "set database.existingSecret",
    );
    for (const name of ["OMOI_SECRET", "OMOI_CLUSTER_SECRET"] as const) {
      const { [name]: _missing, ...secrets } = cluster.secrets;
      const lacking = render({ ...cluster, secrets });
      await expect(lacking).rejects.toThrow(`set secrets.${name}`);
    }
  });

  test("waits for migrations at the start, and for the end of work at the stop", async () => {
    const minutesOf = ({ containers }: PodSpec): number => {
      const { periodSeconds = 0, failureThreshold = 0 } = containers[0]?.startupProbe ?? {};
      return (periodSeconds * failureThreshold) / 60;
    };
    const pod = podOf(await render({}));
    expect([minutesOf(pod), pod.terminationGracePeriodSeconds]).toEqual([60, 60]);
    const values = { startupMinutes: 300, terminationGracePeriodSeconds: 14_460 };
    const slow = podOf(await render(values));
    expect([minutesOf(slow), slow.terminationGracePeriodSeconds]).toEqual([300, 14_460]);
  });
});
