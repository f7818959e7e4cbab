/** Programs that commands start: git, and the browser. */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { FailedError } from "./output/failures.js";

interface GitOptions {
  /** Standard input. */
  input?: string;
  /** Whether git's messages are shown as they come. */
  shows?: boolean;
}

/** Runs git in this folder and returns its output. @throws FailedError with git's message */
export function git(args: readonly string[], { input, shows = false }: GitOptions = {}): string {
  const { error, status, stdout, stderr } = spawnSync("git", args, {
    encoding: "utf8",
    // Lists of files of large projects.
    maxBuffer: Number.POSITIVE_INFINITY,
    ...(input !== undefined && { input }),
    stdio: [input === undefined ? "ignore" : "pipe", "pipe", shows ? "inherit" : "pipe"],
  });
  if (error) throw new FailedError(`git cannot be started: ${error.message}`);
  if (status !== 0) {
    const message = (stderr ?? "").trim();
    throw new FailedError(`git ${args[0]} failed${message === "" ? "." : `: ${message}`}`);
  }
  return stdout.trimEnd();
}

/** The same for a question: null if git answers by its exit code that there is nothing. */
export function askGit(args: readonly string[]): string | null {
  const { status, stdout } = spawnSync("git", args, { encoding: "utf8" });
  return status === 0 ? stdout.trim() : null;
}

/**
 * Runs git without blocking, so that a signal can stop it.
 * @throws FailedError with git's message; AbortError once it has ended
 */
export async function runGit(
  args: readonly string[],
  { input = "", signal }: Pick<GitOptions, "input"> & { signal: AbortSignal },
): Promise<string> {
  signal.throwIfAborted();
  const env = { ...process.env, GIT_TERMINAL_PROMPT: "0" };
  const child = spawn("git", args, { env, stdio: ["pipe", "pipe", "pipe"] });
  const stop = (): void => void child.kill("SIGTERM");
  signal.addEventListener("abort", stop, { once: true });
  child.stdin.on("error", () => undefined).end(input);
  try {
    const [output, message, [code]] = await Promise.all([
      text(child.stdout),
      text(child.stderr),
      once(child, "close"),
    ]);
    signal.throwIfAborted();
    if (code !== 0) throw new FailedError(`git failed: ${message.trim()}`);
    return output.trim();
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

/** Opens an address in the browser, if this machine can. */
export function openBrowser(address: string): void {
  const program = process.platform === "darwin" ? "open" : "xdg-open";
  spawn(program, [address], { stdio: "ignore", detached: true })
    .on("error", () => undefined)
    .unref();
}
