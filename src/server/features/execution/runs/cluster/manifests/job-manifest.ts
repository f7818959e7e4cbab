import { isIP } from "node:net";
import type {
  V1Container,
  V1HostAlias,
  V1Job,
  V1PodSpec,
  V1SecurityContext,
  V1Volume,
  V1VolumeMount,
} from "@kubernetes/client-node";
import type { ClusterRun, ClusterSettings, ServerPlace } from "./cluster-run.js";
import { jobName, LABELS, NONCE, ownedName } from "./names.js";

/** The user of Omoi's image. */
const UID = 10_001;
/** Seconds beyond the start and the timeout of a run, to bring its work and log. The runner ends runs; this is the last resort. */
const SLACK_SECONDS = 2 * 3600;
const MAX_SETUP_SECONDS = 3600;
/** Seconds in which a pod that the cluster ends brings the work of its run. */
const SEND_SECONDS = 90;
/** Seconds after which the cluster deletes the Job of a server that is gone. */
const TTL_SECONDS = 3600;
/** Processors of Omoi's own containers. */
const OWN_CPUS = "2";
const SOCKET = "/run/omoi/socket";

const mount = (
  name: string,
  mountPath: string,
  more: Pick<V1VolumeMount, "readOnly" | "subPath"> = {},
): V1VolumeMount => ({ name, mountPath, ...more });

/** The folder in a volume that the user of the pod owns: volumes are root's, whose working tree git would refuse. */
const OWN = "own";
/** Volumes whose folder `OWN` is mounted, and the place in which it is made. */
const OWNED = { workspace: "/volumes/workspace", home: "/volumes/home" } as const;

const ownMounts = (): V1VolumeMount[] => [
  mount("workspace", "/workspace", { subPath: OWN }),
  mount("home", "/home/agent", { subPath: OWN }),
];

/** Returns the labels of the objects of a run. */
export const labelsOf = (run: ClusterRun, installation: string): Record<string, string> => ({
  "app.kubernetes.io/name": "omoi-run",
  [LABELS.managedBy]: "omoi",
  [LABELS.installation]: installation,
  [LABELS.run]: run.id,
  [LABELS.agent]: run.agent_id,
  [LABELS.project]: run.project_id,
  [LABELS.organization]: run.org_id,
  [LABELS.network]: run.network,
});

interface JobOptions {
  /** The label of the installation. */
  installation: string;
  /** Determines the token and the names of what belongs to the Job. */
  nonce: string;
  /** Seconds between SIGTERM and SIGKILL of a command. */
  stopGraceSeconds: number;
}

/** Returns the Job of a run. It starts no pod before it is resumed. */
export function jobOf(
  run: ClusterRun,
  settings: ClusterSettings,
  place: ServerPlace,
  { installation, nonce, stopGraceSeconds }: JobOptions,
): V1Job {
  const labels = labelsOf(run, installation);
  return {
    apiVersion: "batch/v1",
    kind: "Job",
    metadata: { name: jobName(run.id), labels, annotations: { [NONCE]: nonce } },
    spec: {
      suspend: true,
      backoffLimit: 0,
      completions: 1,
      parallelism: 1,
      activeDeadlineSeconds:
        settings.startMinutes * 60 +
        run.timeout_seconds +
        // The setup script has as much time.
        Math.min(run.timeout_seconds, MAX_SETUP_SECONDS) +
        SLACK_SECONDS,
      ttlSecondsAfterFinished: TTL_SECONDS,
      template: {
        metadata: { labels },
        spec: podOf(run, settings, place, nonce, stopGraceSeconds),
      },
    },
  };
}

function podOf(
  run: ClusterRun,
  settings: ClusterSettings,
  place: ServerPlace,
  nonce: string,
  stopGraceSeconds: number,
): V1PodSpec {
  const { runtimeClass, nodeSelector, tolerations, pullSecret } = settings;
  const hostAliases = aliasesOf(place);
  return {
    restartPolicy: "Never",
    terminationGracePeriodSeconds: stopGraceSeconds + SEND_SECONDS,
    automountServiceAccountToken: false,
    enableServiceLinks: false,
    ...(runtimeClass !== null && { runtimeClassName: runtimeClass }),
    ...(Object.keys(nodeSelector).length > 0 && { nodeSelector }),
    ...(tolerations.length > 0 && { tolerations }),
    ...(pullSecret !== null && { imagePullSecrets: [{ name: pullSecret }] }),
    ...(hostAliases.length > 0 && { hostAliases }),
    // Without a name server, look-ups fail at once instead of after a timeout.
    ...(run.network !== "full" && {
      dnsPolicy: "None",
      dnsConfig: { nameservers: ["127.0.0.1"] },
    }),
    securityContext: {
      runAsNonRoot: true,
      runAsUser: UID,
      runAsGroup: UID,
      fsGroup: UID,
      seccompProfile: { type: "RuntimeDefault" },
    },
    volumes: volumesOf(run),
    initContainers: [toolsContainer(settings)],
    containers: [runnerContainer(run, settings, place, nonce), commandContainer(run)],
  };
}

/** Names of the server's hosts. One entry per address: Kubernetes merges them by it. */
function aliasesOf({ hosts }: ServerPlace): V1HostAlias[] {
  const names = new Map<string, Set<string>>();
  for (const { name, addresses } of hosts) {
    if (isIP(name) !== 0) continue;
    for (const ip of addresses) names.set(ip, (names.get(ip) ?? new Set()).add(name));
  }
  return [...names].map(([ip, hostnames]) => ({ ip, hostnames: [...hostnames] }));
}

function volumesOf({ limits: { disk_bytes: disk } }: ClusterRun): V1Volume[] {
  const sized = (name: string, sizeLimit: string | null): V1Volume => ({
    name,
    emptyDir: sizeLimit === null ? {} : { sizeLimit },
  });
  const ofRun = disk === null ? null : String(disk);
  return [
    sized("tools", "512Mi"),
    sized("data", ofRun),
    sized("workspace", ofRun),
    sized("home", ofRun),
    sized("borrowed", ofRun),
    sized("socket", "1Mi"),
  ];
}

/** @param isReadOnly whether the container writes to its volumes only */
const unprivileged = (isReadOnly: boolean): V1SecurityContext => ({
  runAsNonRoot: true,
  runAsUser: UID,
  runAsGroup: UID,
  allowPrivilegeEscalation: false,
  capabilities: { drop: ["ALL"] },
  seccompProfile: { type: "RuntimeDefault" },
  ...(isReadOnly && { readOnlyRootFilesystem: true }),
});

/** Copies Node and the command's agent, so that the project's image needs neither, and makes the pod's own folders. */
function toolsContainer({ image }: ClusterSettings): V1Container {
  const own = Object.values(OWNED).map((path) => `${path}/${OWN}`);
  return {
    name: "tools",
    image,
    // Arguments of the image's entry point, which reaps processes.
    args: ["node", "dist/pod/copy-tools.js", "/opt/omoi", ...own],
    volumeMounts: [
      mount("tools", "/opt/omoi"),
      ...Object.entries(OWNED).map(([name, path]) => mount(name, path)),
    ],
    // Quotas of a namespace can require each of them.
    resources: {
      requests: { cpu: "100m", memory: "128Mi", "ephemeral-storage": "64Mi" },
      limits: { cpu: OWN_CPUS, memory: "512Mi", "ephemeral-storage": "1Gi" },
    },
    securityContext: unprivileged(true),
    terminationMessagePolicy: "FallbackToLogsOnError",
  };
}

function runnerContainer(
  run: ClusterRun,
  { image, egressUrl }: ClusterSettings,
  { url }: ServerPlace,
  nonce: string,
): V1Container {
  const { disk_bytes: disk } = run.limits;
  const secret = { name: ownedName(run.id, nonce), key: "token" };
  return {
    name: "runner",
    image,
    args: ["node", "dist/cli/main.js", "runner", "--run", run.id, "--url", url, "--data", "/data"],
    env: [
      { name: "OMOI_RUNNER_TOKEN", valueFrom: { secretKeyRef: secret } },
      { name: "OMOI_COMMAND_SOCKET", value: `${SOCKET}/command.sock` },
      ...(run.network === "restricted" && egressUrl !== null
        ? [{ name: "OMOI_EGRESS_URL", value: egressUrl }]
        : []),
      // The rest of its file system is read-only.
      { name: "HOME", value: "/data" },
      { name: "TMPDIR", value: "/data" },
    ],
    volumeMounts: [
      mount("data", "/data"),
      ...ownMounts(),
      mount("borrowed", "/borrowed"),
      mount("socket", SOCKET),
    ],
    resources: {
      requests: {
        cpu: "100m",
        memory: "256Mi",
        "ephemeral-storage": "64Mi",
      },
      limits: {
        cpu: OWN_CPUS,
        memory: "2Gi",
        ...(disk !== null && { "ephemeral-storage": String(disk) }),
      },
    },
    securityContext: unprivileged(true),
    // Its log is for operators; it writes a sentence for users.
    terminationMessagePolicy: "File",
  };
}

/** Runs the command in the project's image, without the token. */
function commandContainer({ image, limits }: ClusterRun): V1Container {
  const amounts = {
    ...(limits.cpus !== null && { cpu: `${Math.round(limits.cpus * 1000)}m` }),
    memory: String(limits.memory_bytes),
    ...(limits.disk_bytes !== null && { "ephemeral-storage": String(limits.disk_bytes) }),
  };
  return {
    name: "command",
    image,
    command: [
      "/opt/omoi/lib/loader",
      "--library-path",
      "/opt/omoi/lib",
      // A shell as the first process reaps those that the command leaves.
      "/opt/omoi/sh",
      "/opt/omoi/start",
      `${SOCKET}/command.sock`,
    ],
    // A library that the image preloads for its own programs does not fit those of Omoi.
    env: [{ name: "LD_PRELOAD", value: "" }],
    volumeMounts: [
      mount("tools", "/opt/omoi", { readOnly: true }),
      ...ownMounts(),
      mount("borrowed", "/borrowed", { readOnly: true }),
      mount("socket", SOCKET),
    ],
    resources: { requests: amounts, limits: amounts },
    securityContext: unprivileged(false),
    terminationMessagePolicy: "FallbackToLogsOnError",
  };
}
