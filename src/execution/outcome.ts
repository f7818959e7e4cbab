import type { Run, RunLimits } from "#shared/api/execution/runs.js";
import type { SandboxExit } from "#sandbox/sandbox.js";
import { definitionOf, definitions } from "./presets/presets.js";
import type { PresetName } from "#shared/execution/run-choices.js";

/** A run as its executor sees it. */
export interface ExecutedRun {
  id: string;
  kind: "managed" | "check" | "build" | "review";
  command: readonly string[];
  preset: PresetName | null;
  network: NonNullable<Run["network"]>;
  /** For the network `restricted`. */
  allowed_hosts: readonly string[] | null;
  timeout_seconds: number;
  limits: RunLimits;
}

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
  maxFiles: number | null,
): Omit<Exit, "result" | "output_bytes" | "output_truncated"> {
  const { status, detail } = ending ?? endingOf(run, exit, maxFiles);
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

function endingOf(
  run: Parameters<typeof outcomeOf>[0],
  exit: SandboxExit,
  maxFiles: number | null,
): Ending {
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
      return failed(
        `Its workspace and home exceeded the server's limit of ${maxFiles ?? 0} files and folders.`,
      );
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

/** Exit codes of a shell and of env(1). */
const CANNOT_EXECUTE = 126;
const NOT_FOUND = 127;

/**
 * Explains the exit codes of a program that is missing or cannot be executed.
 * @param isOwn whether the command's own program did not start, rather than one that it started
 */
function explainExitCode(
  { command, preset }: Pick<ExecutedRun, "command" | "preset">,
  exitCode: typeof CANNOT_EXECUTE | typeof NOT_FOUND,
  isOwn: boolean,
): string {
  const definition = definitionOf(preset);
  const code = `(exit code ${exitCode})`;
  const isMissing = exitCode === NOT_FOUND;
  if (isOwn && !isMissing) {
    return `The program ${command[0]} cannot be executed ${code}; make it executable, or start it by its interpreter, such as sh.`;
  }
  // A program that started may exit with the code of one that it started.
  const started = definition
    ? `The program ${definition.program}, or a program that it started,`
    : "A program that it started";
  const explained = isOwn
    ? `The program ${command[0]} was not found ${code}.`
    : `${started} ${isMissing ? "was not found" : "cannot be executed"} ${code}; the end of the log names it.`;
  const isNamed = (known: (typeof definitions)[number]): boolean =>
    // The prompt of a preset may name others.
    definition && !isOwn ? known === definition : namesProgram(command, known.program, isOwn);
  const known = isMissing ? definitions.find(isNamed) : undefined;
  if (known === undefined) return explained;
  const which = isOwn ? "Install it" : `If it is ${known.program}, install it`;
  return `${explained} ${which} on the server's machine: ${known.install}`;
}

/** Whether a command starts the program, by its first word or by a word of a script. */
function namesProgram(command: readonly string[], program: string, isOwn: boolean): boolean {
  if (isOwn) return command[0]?.split("/").at(-1) === program;
  return command.some((text) => text.split(/[^\w.-]+/).includes(program));
}
