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
  spec: { template: { spec: PodSpec } };
}

interface PodSpec {
  serviceAccountName?: string;
  automountServiceAccountToken: boolean;
  hostUsers?: boolean;
  containers: {
    image: string;
    ports: { name: string; containerPort: number }[];
    env: { name: string; value?: string }[];
    securityContext: { procMount?: string };
  }[];
}

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
  /** Reads the settings of the server as it does. */
  const configOf = ({ containers }: PodSpec) => {
    const env = (containers[0]?.env ?? []).map(({ name, value }) => [name, value]);
    // A secret of the cluster.
    const database = { OMOI_DATABASE_URL: "postgres://omoi@db.example.com/omoi" };
    return readConfig({ ...Object.fromEntries(env), ...database, OMOI_SECRET: "x".repeat(64) });
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
  });
});
