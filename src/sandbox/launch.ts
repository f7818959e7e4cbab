/** The single place that starts users' commands and the tools that measure them. */
import { spawn, type ChildProcess, type SpawnOptions } from "node:child_process";
import { launchCommand } from "#shared/node/launcher/launch-command.js";
import { withoutInherited, type Stdio } from "#shared/node/inherited-descriptors.js";
import type { SandboxedProcess } from "./sandbox.js";

/**
 * Starts a program with exactly this environment and these descriptors, in its own process group.
 */
export function launch(
  argv: readonly string[],
  options: Pick<SpawnOptions, "cwd" | "uid" | "gid"> & {
    env: Record<string, string>;
    stdio: Stdio;
  },
): ChildProcess {
  const [program, ...args] = argv;
  const stdio = withoutInherited(options.stdio);
  // A process inherits the umask at its start; a command gets the usual one.
  const own = process.umask(COMMON_UMASK);
  try {
    return spawn(program as string, args, { cwd: "/", ...options, stdio, detached: true });
  } finally {
    process.umask(own);
  }
}

const COMMON_UMASK = 0o022;

/** Runs a system tool and returns its exit code and standard output. */
export async function readTool(
  argv: readonly string[],
): Promise<{ exitCode: number; stdout: string }> {
  const [file, ...args] = argv;
  const { exitCode, stdout, failure } = await launchCommand({
    file: file as string,
    args,
    cwd: "/",
    env: { PATH: "/usr/bin:/bin", LC_ALL: "C" },
    timeoutMs: 0,
    maxOutputBytes: MAX_TOOL_BYTES,
    umask: COMMON_UMASK,
  });
  return { exitCode: failure === null ? (exitCode ?? 128) : 127, stdout: stdout.toString("utf8") };
}

const MAX_TOOL_BYTES = 64 * 1024 * 1024;

/** The processes of a sandbox that have not exited. */
export class RunningProcesses {
  readonly #running = new Set<SandboxedProcess>();

  add(started: SandboxedProcess): void {
    this.#running.add(started);
    const remove = (): unknown => this.#running.delete(started);
    started.done.then(remove, remove);
  }

  /** Stops every process without a grace period. Resolves when all have exited. */
  async stopAll(): Promise<void> {
    for (const started of this.#running) started.stop(0);
    await Promise.allSettled([...this.#running].map(({ done }) => done));
  }
}
