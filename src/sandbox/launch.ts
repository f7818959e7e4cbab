/** The single place that starts users' commands and the tools that measure them. */
import { spawn, type ChildProcess, type SpawnOptions } from "node:child_process";
import { launchCommand } from "#shared/node/launcher/launch-command.js";
import { openSync, readdirSync, readFileSync } from "node:fs";

type Stdio = readonly ("ignore" | "pipe" | "ipc" | number)[];

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

/**
 * Prevents descriptors inherited by the server from leaking: Node sets close-on-exec only on those
 * that it opens itself and the first few. Replaces them by /dev/null.
 */
function withoutInherited(stdio: Stdio): ("ignore" | "pipe" | "ipc" | number)[] {
  inherited ??= findInherited();
  const all = [...stdio];
  for (const descriptor of inherited.descriptors) {
    if (descriptor < stdio.length) continue;
    while (all.length < descriptor) all.push("ignore");
    all[descriptor] = inherited.nothing;
  }
  return all;
}

let inherited: { descriptors: number[]; nothing: number } | undefined;

function findInherited(): { descriptors: number[]; nothing: number } {
  const descriptors: number[] = [];
  for (const name of readdirSync("/proc/self/fd")) {
    let info: string;
    try {
      info = readFileSync(`/proc/self/fdinfo/${name}`, "utf8");
    } catch {
      continue; // The descriptor of the listing itself.
    }
    const flags = Number.parseInt(/^flags:\s+([0-7]+)/m.exec(info)?.[1] ?? "0", 8);
    if (Number(name) > 2 && (flags & CLOSE_ON_EXEC) === 0) descriptors.push(Number(name));
  }
  return { descriptors, nothing: descriptors.length > 0 ? openSync("/dev/null", "r") : -1 };
}

const CLOSE_ON_EXEC = 0o2000000;

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
