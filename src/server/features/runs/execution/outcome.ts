import type { Run } from "#shared/api/agents/runs.js";
import type { SandboxExit } from "#sandbox/sandbox.js";
import type { Exit, ManagedRun } from "../managed-runs.queries.js";

/** The requested ending of a run and its reason. */
export interface Ending {
  status: Run["status"];
  detail: string;
}

/** Determines a run's outcome from its command's exit and an earlier request to end it. */
export function outcomeOf(
  { limits }: Pick<ManagedRun, "limits">,
  exit: SandboxExit,
  ending: Ending | null,
): Omit<Exit, "output_bytes" | "output_truncated"> {
  const { status, detail } = ending ?? endingOf(limits, exit);
  return {
    outcome: status,
    exit_code: exit.exitCode,
    detail,
    peak_memory_bytes: exit.peakMemoryBytes,
    cpu_seconds: exit.cpuSeconds,
  };
}

function endingOf(limits: ManagedRun["limits"], exit: SandboxExit): Ending {
  const failed = (detail: string): Ending => ({ status: "failed", detail });
  switch (exit.reason) {
    case "memory":
      return failed(`It exceeded its memory limit of ${sizeOf(limits.memory_bytes)}.`);
    case "processes":
      return failed(`It exceeded its limit of ${limits.processes} processes.`);
    case "disk":
      return failed(
        `Its workspace and home exceeded the disk limit of ${sizeOf(limits.disk_bytes ?? 0)}.`,
      );
    case "files":
      return failed("Its workspace and home exceeded the server's limit of files and folders.");
    case "start_failed":
      return failed(
        exit.detail ??
          "It could not be started; the operator can find the cause in the server's log.",
      );
    case "stopped":
    case "exited":
      if (exit.signal !== null) return failed(`Its command was terminated by ${exit.signal}.`);
      return exit.exitCode === 0
        ? { status: "succeeded", detail: "Its command exited normally." }
        : failed(`Its command exited with code ${exit.exitCode}.`);
  }
}

function sizeOf(bytes: number): string {
  const mib = bytes / 1024 / 1024;
  return mib >= 1024 ? `${Math.round((mib / 1024) * 10) / 10} GiB` : `${Math.round(mib)} MiB`;
}
