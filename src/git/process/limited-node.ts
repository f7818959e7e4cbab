/** Child processes of Node that handle agents' data, within limits. */
import { spawn, type ChildProcess } from "node:child_process";
import { createRequire } from "node:module";
import { lowerPriority } from "#shared/node/process-priority.js";
import { PATH } from "./environment.js";

export type { ChildProcess } from "node:child_process";

/** Limits of a process; the time is limited by its caller. */
export interface NodeLimits {
  /** The heap of V8. */
  heapMib: number;
  /** All writable memory (RLIMIT_DATA). */
  memoryKib: number;
  /** Open files. */
  descriptors: number;
}

/**
 * Starts a module as a process with an IPC channel (`serialization: "advanced"`). Its environment has only
 * `PATH`.
 * @param script the path of the module without its extension
 */
export function spawnLimitedNode(
  script: string,
  title: string,
  { heapMib, memoryKib, descriptors }: NodeLimits,
): ChildProcess {
  const isSource = import.meta.filename.endsWith(".ts");
  // Tests and benchmarks run from source.
  const { resolve } = createRequire(import.meta.url);
  const loader = isSource ? ["--import", resolve("tsx")] : [];
  // The shell sets the limits and then becomes the process.
  const args = [
    "-c",
    '{ ulimit -c 0; ulimit -S -n "$1"; ulimit -d "$2"; } 2>/dev/null; shift 2; exec "$@"',
    "sh",
    ...[descriptors, memoryKib].map(String),
    process.execPath,
    `--title=${title}`,
    `--max-old-space-size=${heapMib}`,
    ...loader,
    `${script}.${isSource ? "ts" : "js"}`,
  ];
  const child = spawn("/bin/sh", args, {
    cwd: "/",
    env: { PATH },
    stdio: ["ignore", "ignore", "inherit", "ipc"],
    serialization: "advanced",
  });
  if (child.pid !== undefined) lowerPriority(child.pid, "helper");
  return child;
}
