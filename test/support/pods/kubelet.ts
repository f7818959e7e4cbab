/**
 * The kubelet and the controller of Jobs of the scripted Kubernetes: executes the containers of a pod by bubblewrap as
 * its manifest says, and reports what becomes of them. It enforces no network policy and no limit of resources.
 */
import { chmod, chown, mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import type {
  V1Container,
  V1ContainerState,
  V1ContainerStatus,
  V1Pod,
  V1PodSpec,
  V1Secret,
} from "@kubernetes/client-node";
import type { ScriptedKubernetes } from "../kubernetes/scripted-api.js";
import type { Image } from "./images.js";
import { startManifestContainer, type ManifestContainer } from "./manifest-container.js";
import { terminateFirst } from "./pod.js";

/** A pod under way. */
export interface RunningPod {
  pod: V1Pod;
  /** Its containers that have started, by their names. */
  containers: ReadonlyMap<string, ManifestContainer>;
  /** Resolves with the exit codes of its containers once all have ended and it was reported. */
  ended: Promise<Record<string, number | undefined>>;
}

export interface Kubelet {
  /** Waits for the pod of a run, and executes it until it ends or is deleted. */
  execute(runId: string): Promise<RunningPod>;
  close(): Promise<void>;
}

/** Owns new volumes, as root does in a cluster: not the user of the containers. */
const OWNER = 20_002;
const POLL_MS = 50;

export function openKubelet(
  kubernetes: ScriptedKubernetes,
  images: Readonly<Record<string, Image>>,
): Kubelet {
  const closing = new AbortController();
  const folders: string[] = [];
  const work: Promise<unknown>[] = [];
  const podsOf = (runId: string) => kubernetes.podsOf(`omoi-run-${runId}`);
  const secretOf = (name: string, key: string): string => {
    const secrets = kubernetes.list<V1Secret>("secrets");
    const value = secrets.find(({ metadata }) => metadata?.name === name)?.data?.[key];
    if (value === undefined) throw new Error(`the secret ${name} has no key ${key}`);
    return Buffer.from(value, "base64").toString();
  };

  const execute = async (runId: string): Promise<RunningPod> => {
    while (podsOf(runId).length === 0) {
      await pause(POLL_MS, undefined, { signal: closing.signal });
    }
    const [pod] = podsOf(runId) as [V1Pod];
    const { name = "", uid, ownerReferences } = pod.metadata ?? {};
    const spec = pod.spec as V1PodSpec;
    const isDeleted = (): boolean => podsOf(runId)[0]?.metadata?.uid !== uid;
    const folder = await makeVolumes(spec);
    folders.push(folder);
    const containers = new Map<string, ManifestContainer>();
    const states = new Map<string, V1ContainerState>();
    const report = (phase: string): void => {
      if (isDeleted()) return;
      const statusesOf = (all: readonly V1Container[]): V1ContainerStatus[] =>
        all.map(({ name: container, image = "" }) => {
          const state = states.get(container) ?? { waiting: { reason: "PodInitializing" } };
          const ready = state.running !== undefined;
          return { name: container, image, imageID: "", ready, restartCount: 0, state };
        });
      kubernetes.setPod(name, {
        phase,
        initContainerStatuses: statusesOf(spec.initContainers ?? []),
        containerStatuses: statusesOf(spec.containers),
      });
    };
    const start = async (container: V1Container, phase: string): Promise<ManifestContainer> => {
      const image = images[container.image ?? ""];
      if (!image) throw new Error(`no image ${container.image}`);
      const started = await startManifestContainer(container, image, folder, secretOf);
      containers.set(started.name, started);
      states.set(started.name, { running: { startedAt: new Date() } });
      report(phase);
      return started;
    };
    const end = async ({ name: container, ended }: ManifestContainer, phase: string) => {
      const state = await ended;
      states.set(container, state);
      report(phase);
      return state.terminated?.exitCode === 0;
    };
    const finish = (succeeded: boolean): void => {
      report(succeeded ? "Succeeded" : "Failed");
      if (isDeleted()) return;
      const conditions = succeeded
        ? [{ type: "Complete", status: "True" }]
        : [
            {
              type: "Failed",
              status: "True",
              reason: "BackoffLimitExceeded",
              message: "Job has reached the specified backoff limit",
            },
          ];
      kubernetes.setJob(ownerReferences?.[0]?.name ?? "", { conditions });
    };
    let isInitialized = true;
    for (const container of spec.initContainers ?? []) {
      isInitialized &&= await end(await start(container, "Pending"), "Pending");
    }
    const ends: Promise<boolean>[] = [];
    if (isInitialized) {
      for (const container of spec.containers) {
        ends.push(end(await start(container, "Running"), "Running"));
      }
    }
    const ended = Promise.all(ends).then((all) => {
      finish(isInitialized && all.every(Boolean));
      return Object.fromEntries(
        [...states].map(([container, { terminated }]) => [container, terminated?.exitCode]),
      );
    });
    work.push(ended, endDeleted(spec, containers, ended, isDeleted));
    return { pod, containers, ended };
  };

  /** Ends the containers of a deleted pod: TERM, and KILL after its grace period. */
  const endDeleted = async (
    { terminationGracePeriodSeconds: seconds = 30 }: V1PodSpec,
    containers: ReadonlyMap<string, ManifestContainer>,
    ended: Promise<unknown>,
    isDeleted: () => boolean,
  ): Promise<void> => {
    const isOver = (): Promise<boolean> =>
      Promise.race([ended.then(() => true), pause(POLL_MS).then(() => false)]);
    while (!isDeleted() && !closing.signal.aborted && !(await isOver()));
    const live = [...containers.values()].filter(
      ({ process: { exitCode, signalCode } }) => exitCode === null && signalCode === null,
    );
    if (!closing.signal.aborted) {
      for (const { process } of live) terminateFirst(process);
      await Promise.race([
        ended,
        pause(seconds * 1000, undefined, { signal: closing.signal }).catch(() => undefined),
      ]);
    }
    for (const { process } of live) process.kill("SIGKILL");
  };

  return {
    execute,
    close: async () => {
      closing.abort();
      await Promise.all(work);
      for (const folder of folders) await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Makes the volumes as a kubelet does for a pod with an `fsGroup`. Returns their folder. */
async function makeVolumes({ volumes = [] }: V1PodSpec): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "omoi-kubelet-"));
  await chmod(folder, 0o755);
  for (const { name, emptyDir } of volumes) {
    if (emptyDir === undefined) throw new Error(`the volume ${name} is no emptyDir`);
    await mkdir(join(folder, name));
    // Only root can give a folder to another user.
    if (process.getuid?.() === 0) await chown(join(folder, name), OWNER, 0);
    await chmod(join(folder, name), 0o2777);
  }
  return folder;
}
