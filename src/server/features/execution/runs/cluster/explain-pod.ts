import type { V1ContainerStatus, V1Job, V1Pod } from "@kubernetes/client-node";
import { shortened } from "./api/classify-error.js";

/**
 * Why a run's pod does not work: it waits for something, the pod or its runner did not start the run and another pod
 * may, or it has failed for good. Sentences.
 */
export type PodProblem = {
  kind: "waiting" | "refused" | "failed";
  detail: string;
  /** Whether it waits for room in the cluster. */
  waitsForRoom?: true;
};

/** Seconds in which the cluster makes the pod of a Job. */
const POD_SECONDS = 20;

/** The exit code of a runner whose run waits again (EX_TEMPFAIL of sysexits.h). */
const WAITS_AGAIN = 75;

/** Reasons of waiting containers for which the image is missing. */
const PULL_REASONS: ReadonlySet<string> = new Set([
  "ErrImagePull",
  "ImagePullBackOff",
  "RegistryUnavailable",
  "ErrImageNeverPull",
]);
const OUT_OF_MEMORY = "OOMKilled";

/**
 * Explains why the pods of a Job do not work; null while nothing is wrong.
 * @param isRunning whether the run has started
 */
export function explainJob(
  job: V1Job,
  pods: readonly V1Pod[],
  isRunning: boolean,
): PodProblem | null {
  // The runner of a pod that the cluster ends brings the work of its run, and ends it.
  if (pods.some(isBringingWork)) return { kind: "waiting", detail: "The cluster ends its pod." };
  const problems = pods.map((pod) => explainPod(pod, isRunning));
  const ended = problems.find((problem) => problem !== null && problem.kind !== "waiting");
  if (ended) return ended;
  const conditions = job.status?.conditions ?? [];
  const isTrue = (type: string) =>
    conditions.find((condition) => condition.type === type && condition.status === "True");
  const failure = isTrue("Failed") ?? isTrue("FailureTarget");
  if (failure) {
    const detail =
      failure.reason === "DeadlineExceeded"
        ? "Its Job has exceeded its deadline."
        : `Its Job has failed: ${shortened(failure.message ?? failure.reason ?? "without a reason")}.`;
    return { kind: "failed", detail };
  }
  if (isTrue("Complete") ?? isTrue("SuccessCriteriaMet")) {
    return { kind: "failed", detail: "Its pod has ended without a report of the run." };
  }
  const { startTime } = job.status ?? {};
  if (pods.length === 0 && startTime && Date.now() - +startTime > POD_SECONDS * 1000) {
    const { name = "" } = job.metadata ?? {};
    const detail = `The cluster has made no pod for it; its operator finds the reason with: kubectl describe job ${name}.`;
    return { kind: "waiting", detail };
  }
  return problems.find((problem) => problem !== null) ?? null;
}

const isBringingWork = ({ metadata, status }: V1Pod): boolean =>
  metadata?.deletionTimestamp !== undefined &&
  (status?.containerStatuses ?? []).some(({ name, state }) => name === "runner" && state?.running);

/** Explains why a pod does not work; null while nothing is wrong. */
function explainPod({ status = {}, metadata }: V1Pod, isRunning: boolean): PodProblem | null {
  const inits = status.initContainerStatuses ?? [];
  const others = status.containerStatuses ?? [];
  if (status.reason === "Evicted" || (status.phase === "Failed" && status.reason)) {
    const cause = shortened(status.message ?? status.reason ?? "");
    const said = status.reason === "Evicted" ? "Its pod was evicted" : "Its pod has failed";
    return { kind: "refused", detail: `${said}: ${cause}.` };
  }
  const runner = others.find(({ name }) => name === "runner");
  if (runner?.state?.terminated?.exitCode === WAITS_AGAIN) {
    return { kind: "refused", detail: explainEnd(runner) };
  }
  const ended =
    inits.find(hasFailed) ??
    (runner && hasFailed(runner) ? runner : undefined) ??
    // While the run goes on, its runner reports this itself.
    (isRunning && runner?.state?.running ? undefined : others.find(hasFailed));
  if (ended) return { kind: "failed", detail: explainEnd(ended) };
  if (status.phase === "Failed") {
    return { kind: "failed", detail: "Its pod has failed without a reason." };
  }
  const waiting = [...inits, ...others].map(explainWait).find((problem) => problem !== null);
  if (waiting) return waiting;
  const unscheduled = status.conditions?.find(
    ({ type, status: state }) => type === "PodScheduled" && state === "False",
  );
  if (unscheduled) {
    const why = shortened(unscheduled.message ?? unscheduled.reason ?? "");
    const detail = `No node of the cluster takes its pod: ${why}.`;
    return { kind: "waiting", detail, waitsForRoom: true };
  }
  if (metadata?.deletionTimestamp !== undefined) {
    return { kind: "refused", detail: "Its pod was deleted." };
  }
  return null;
}

const hasFailed = ({ state }: V1ContainerStatus): boolean =>
  state?.terminated !== undefined && state.terminated.exitCode !== 0;

function explainEnd({ name, state }: V1ContainerStatus): string {
  const { reason, message, exitCode } = state?.terminated ?? {};
  if (reason === OUT_OF_MEMORY) return `The container "${name}" has exceeded its memory.`;
  if (message) return `The container "${name}" has failed: ${shortened(message)}.`;
  return `The container "${name}" has ended with code ${exitCode}${reason && reason !== "Error" ? ` (${shortened(reason)})` : ""}.`;
}

function explainWait({ name, image, state }: V1ContainerStatus): PodProblem | null {
  const { reason, message } = state?.waiting ?? {};
  if (!reason || reason === "ContainerCreating" || reason === "PodInitializing") return null;
  const why = message ? shortened(message) : shortened(reason);
  if (reason === "InvalidImageName") {
    return { kind: "failed", detail: `The image ${shortened(image)} has an invalid name.` };
  }
  if (PULL_REASONS.has(reason)) {
    return { kind: "waiting", detail: `The image ${shortened(image)} cannot be pulled: ${why}.` };
  }
  return { kind: "waiting", detail: `The container "${name}" cannot start: ${why}.` };
}
