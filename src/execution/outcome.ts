import type { Run } from "#shared/api/agents/runs.js";
import type { SandboxExit } from "#sandbox/sandbox.js";
import type { ExecutedRun } from "./executed-run.js";
import { CANNOT_EXECUTE, explainExitCode, NOT_FOUND } from "./explain-exit-code.js";

/** The requested ending of a run and its reason. */
export interface Ending {
  status: Run["status"];
  detail: string;
}

/** How a command ended. */
export interface Exit {
  outcome: Run["status"];
  exit_code: number | null;
  detail: string;
  result: string | null;
  peak_memory_bytes: number | null;
  cpu_seconds: number | null;
  output_bytes: number;
  output_truncated: boolean;
}

/** Determines a run's outcome from its command's exit and an earlier request to end it. */
export function outcomeOf(
  run: Pick<ExecutedRun, "kind" | "limits" | "command" | "preset">,
  exit: SandboxExit,
  ending: Ending | null,
): Omit<Exit, "result" | "output_bytes" | "output_truncated"> {
  const { status, detail } = ending ?? endingOf(run, exit);
  return {
    outcome: status,
    exit_code: exit.exitCode,
    detail: printable(detail),
    peak_memory_bytes: exit.peakMemoryBytes,
    cpu_seconds: exit.cpuSeconds,
  };
}

/** Maximum length of a detail in UTF-16 code units. */
const MAX_DETAIL = 500;

/** Returns a detail that can be stored: its parts may come from the command's output. */
function printable(detail: string): string {
  // PostgreSQL rejects NUL.
  const text = detail.replaceAll(/\p{Cc}+/gu, " ");
  if (text.length <= MAX_DETAIL) return text;
  return `${text.slice(0, MAX_DETAIL - 1).replace(/[\uD800-\uDBFF]$/, "")}…`;
}

function endingOf(run: Parameters<typeof outcomeOf>[0], exit: SandboxExit): Ending {
  const { limits } = run;
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
    case "container":
      return failed(exit.detail ?? "The container of the command failed.");
    case "start_failed":
      return failed(
        explained(run, exit) ??
          exit.detail ??
          "It could not be started; the operator can find the cause in the server's log.",
      );
    case "stopped":
    case "exited":
      if (exit.signal === "SIGXFSZ" && limits.disk_bytes !== null) {
        const limit = sizeOf(limits.disk_bytes);
        return failed(`It wrote a file larger than the disk limit of ${limit} (SIGXFSZ).`);
      }
      if (exit.signal !== null) return failed(`Its command was terminated by ${exit.signal}.`);
      return exit.exitCode === 0
        ? { status: "succeeded", detail: "Its command exited normally." }
        : failed(explained(run, exit) ?? `Its command exited with code ${exit.exitCode}.`);
  }
}

/** Explains a program that did not start, except to checks, whose results explain it. */
function explained(
  run: Parameters<typeof outcomeOf>[0],
  { exitCode, reason, detail }: SandboxExit,
): string | null {
  if (run.kind === "check" || (exitCode !== CANNOT_EXECUTE && exitCode !== NOT_FOUND)) return null;
  const isOwn = reason === "start_failed";
  // The sandbox itself may have failed with the same code.
  if (isOwn && detail?.startsWith(`${run.command[0]}: `) !== true) return null;
  return explainExitCode(run, exitCode, isOwn);
}

function sizeOf(bytes: number): string {
  const mib = bytes / 1024 / 1024;
  return mib >= 1024 ? `${Math.round((mib / 1024) * 10) / 10} GiB` : `${Math.round(mib)} MiB`;
}
