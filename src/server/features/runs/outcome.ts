import type { Run } from "#shared/api/runs.js";
import type { SandboxExit } from "#sandbox/sandbox.js";
import type { Exit, ManagedRun } from "./managed-runs.queries.js";

/** How a run is to end, and why, once somebody or something has asked for it. */
export interface Ending {
  status: Run["status"];
  detail: string;
}

/** What became of a run, from how its command ended and what was asked of it before. */
export function outcomeOf(
  { limits }: Pick<ManagedRun, "limits">,
  exit: SandboxExit,
  ending: Ending | null,
): Omit<Exit, "output_bytes" | "output_truncated"> {
  const told = ending ?? endingOf(limits, exit);
  return {
    outcome: told.status,
    exit_code: exit.exitCode,
    detail: told.detail,
    peak_memory_bytes: exit.peakMemoryBytes,
    cpu_seconds: exit.cpuSeconds,
  };
}

function endingOf(limits: ManagedRun["limits"], exit: SandboxExit): Ending {
  const failed = (detail: string): Ending => ({ status: "failed", detail });
  switch (exit.reason) {
    case "memory":
      return failed(`It used more than its ${sizeOf(limits.memory_bytes)} of memory.`);
    case "processes":
      return failed(`It had more than its ${limits.processes} processes.`);
    case "disk":
      return failed(`Its workspace grew beyond its ${sizeOf(limits.disk_bytes ?? 0)}.`);
    case "files":
      return failed("Its workspace held more files and folders than the server's limit.");
    case "start_failed":
      return failed(
        exit.detail ?? "It could not be started; whoever runs the server finds why in its log.",
      );
    case "stopped":
    case "exited":
      if (exit.signal !== null) return failed(`Its command was ended by ${exit.signal}.`);
      return exit.exitCode === 0
        ? { status: "succeeded", detail: "Its command ended by itself." }
        : failed(`Its command ended with exit code ${exit.exitCode}.`);
  }
}

function sizeOf(bytes: number): string {
  const mib = bytes / 1024 / 1024;
  return mib >= 1024 ? `${Math.round((mib / 1024) * 10) / 10} GiB` : `${Math.round(mib)} MiB`;
}
