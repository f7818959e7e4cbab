/** The one file that starts processes which run somebody's command, and the tools around them. */
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

/** Runs a tool to its end; answers its exit code and the last it said. */
export function runTool(argv: readonly string[]): Promise<{ exitCode: number; stderr: string }> {
  return new Promise((resolve) => {
    const child = launch(argv, { env: { LC_ALL: "C" }, stdio: ["ignore", "ignore", "pipe"] });
    let stderr = "";
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      stderr = (stderr + text).slice(-2000);
    });
    child.on("error", (error) => resolve({ exitCode: 127, stderr: error.message }));
    child.on("close", (code) => resolve({ exitCode: code ?? 128, stderr }));
  });
}
