/** The one file that starts processes which run somebody's command, or look at what they did. */
import { spawn, type ChildProcess, type SpawnOptions } from "node:child_process";
import { openSync, readdirSync, readFileSync } from "node:fs";

type Stdio = readonly ("ignore" | "pipe" | number)[];

/**
 * Starts a program with exactly this environment and these descriptors, in a process group of its own.
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
  // A process keeps the umask of its start: a command has the usual one, whatever the server's is.
  const own = process.umask(COMMON_UMASK);
  try {
    return spawn(program as string, args, { cwd: "/", ...options, stdio, detached: true });
  } finally {
    process.umask(own);
  }
}

const COMMON_UMASK = 0o022;

/**
 * Descriptors that whoever started the server left open in it would be handed on: Node marks only
 * those it opens itself and the first few. They are replaced by /dev/null.
 */
function withoutInherited(stdio: Stdio): ("ignore" | "pipe" | number)[] {
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
      continue; // The one that the listing itself was read by.
    }
    const flags = Number.parseInt(/^flags:\s+([0-7]+)/m.exec(info)?.[1] ?? "0", 8);
    if (Number(name) > 2 && (flags & CLOSE_ON_EXEC) === 0) descriptors.push(Number(name));
  }
  return { descriptors, nothing: descriptors.length > 0 ? openSync("/dev/null", "r") : -1 };
}

const CLOSE_ON_EXEC = 0o2000000;

/** Runs one of the machine's own tools to its end; answers its exit code and standard output. */
export function readTool(argv: readonly string[]): Promise<{ exitCode: number; stdout: string }> {
  return new Promise((resolve) => {
    const child = launch(argv, {
      env: { PATH: "/usr/bin:/bin", LC_ALL: "C" },
      stdio: ["ignore", "pipe", "ignore"],
    });
    let stdout = "";
    child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      stdout += text;
    });
    child.on("error", () => resolve({ exitCode: 127, stdout }));
    child.on("close", (code) => resolve({ exitCode: code ?? 128, stdout }));
  });
}
