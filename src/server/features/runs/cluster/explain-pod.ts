import type { V1ContainerStatus, V1Job, V1Pod } from "@kubernetes/client-node";
import { shortened } from "./shortened.js";

/**
 * Why a run's pod does not work: it waits for something, its runner could not start the run now, or it has failed for
 * good. Sentences.
 */
export type PodProblem = { kind: "waiting" | "refused" | "failed"; detail: string };

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

/** Explains why the pods of a Job do not work; null while nothing is wrong. */
export function explainJob(job: V1Job, pods: readonly V1Pod[]): PodProblem | null {
  const problems = pods.map(explainPod);
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
  return problems.find((problem) => problem !== null) ?? null;
}

/** Explains why a pod does not work; null while nothing is wrong. */
export function explainPod({ status = {}, metadata }: V1Pod): PodProblem | null {
  const inits = status.initContainerStatuses ?? [];
  const others = status.containerStatuses ?? [];
  if (status.reason === "Evicted" || (status.phase === "Failed" && status.reason)) {
    const cause = shortened(status.message ?? status.reason ?? "");
    const said = status.reason === "Evicted" ? "Its pod was evicted" : "Its pod has failed";
    return { kind: "failed", detail: `${said}: ${cause}.` };
  }
  const runner = others.find(({ name }) => name === "runner");
  if (runner?.state?.terminated?.exitCode === WAITS_AGAIN) {
    return { kind: "refused", detail: explainEnd(runner) };
  }
  const ended =
    inits.find(hasFailed) ??
    (runner && hasFailed(runner) ? runner : undefined) ??
    // While the runner works, it reports this itself.
    (runner?.state?.running === undefined ? others.find(hasFailed) : undefined);
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
    return { kind: "waiting", detail: `No node of the cluster takes its pod: ${why}.` };
  }
  if (metadata?.deletionTimestamp !== undefined) {
    return { kind: "failed", detail: "Its pod was deleted." };
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
