import type { RunnerJob } from "#shared/runner/protocol.js";
import type { PodSettings } from "../run-upload.js";

/** Returns the address of the server's proxy with the credentials of a run; null outside of a pod. */
export function podProxy(
  pod: PodSettings | null,
  { token }: Pick<RunnerJob, "token">,
): string | null {
  if (pod === null || pod.egressUrl === null) return null;
  const { protocol, host } = new URL(pod.egressUrl);
  return `${protocol}//run:${encodeURIComponent(token)}@${host}`;
}
