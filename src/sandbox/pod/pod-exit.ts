/** The exit of a command in the pod's other container. */
import { constants } from "node:os";
import type { CommandReply } from "#shared/execution/runner/command-replies.js";
import type { SandboxExit } from "../sandbox.js";

/** The same limits as in a sandbox of this machine, for what the kernel of the node does not limit. */
export type OverLimit = "disk" | "files";
export type Ended = Extract<CommandReply, { type: "ended" }>;

/** The end of a command, as far as this side knows it. */
interface EndCauses {
  over: OverLimit | null;
  isStopping: boolean;
  /** Why the connection was broken from this side. */
  broken: string | null;
}

export const CONTAINER_ENDED =
  "The container of the command was ended, which happens when it exceeds its memory.";
const OUT_OF_MEMORY =
  "A process was ended because the container of the command exceeded its memory.";

/** Exit codes of a shell. */
const CANNOT_EXECUTE = 126;
const NOT_FOUND = 127;

/**
 * Returns the exit of a command in a pod.
 * @param last the report of its end; null if the connection was lost before
 */
export function exitOf(
  program: string,
  last: Ended | null,
  { over, isStopping, broken }: EndCauses,
): SandboxExit {
  const exit = {
    exitCode: last?.exit_code ?? null,
    signal: signalName(last?.exit_code ?? 0),
    cpuSeconds: last?.cpu_seconds ?? null,
    peakMemoryBytes: last?.peak_memory_bytes ?? null,
    throttled: null,
  };
  if (over !== null) return { ...exit, reason: over, detail: null };
  if (isStopping) return { ...exit, reason: "stopped", detail: null };
  if (last === null) {
    return { ...exit, reason: "container", detail: broken ?? CONTAINER_ENDED };
  }
  if (last.problem !== null || last.exit_code === null) {
    return { ...exit, ...startFailure(program, last.problem ?? "EIO") };
  }
  if (last.exit_code !== 0 && last.oom_kills > 0) {
    return { ...exit, reason: "container", detail: OUT_OF_MEMORY };
  }
  return { ...exit, reason: "exited", detail: null };
}

function startFailure(
  program: string,
  problem: string,
): Pick<SandboxExit, "exitCode" | "reason" | "detail"> {
  const isMissing = problem === "ENOENT" || problem === "ENOTDIR";
  const said = isMissing ? "No such file or directory" : problem;
  return {
    exitCode: isMissing ? NOT_FOUND : CANNOT_EXECUTE,
    reason: "start_failed",
    detail: `${program}: ${said}`,
  };
}

/** Returns the signal in a shell's exit code. */
function signalName(exitCode: number): string | null {
  if (exitCode <= 128 || exitCode > 128 + 31) return null;
  const found = Object.entries(constants.signals).find(([, number]) => number === exitCode - 128);
  return found?.[0] ?? null;
}
