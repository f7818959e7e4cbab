/** The one file that starts processes which run somebody's command. */
import { spawn, type ChildProcess, type SpawnOptions } from "node:child_process";

/** Starts a program with exactly this environment, in a process group of its own. */
export function launch(
  argv: readonly string[],
  options: Pick<SpawnOptions, "stdio" | "cwd" | "uid" | "gid"> & { env: Record<string, string> },
): ChildProcess {
  const [program, ...args] = argv;
  return spawn(program as string, args, {
    cwd: "/",
    ...options,
    detached: true,
  });
}
