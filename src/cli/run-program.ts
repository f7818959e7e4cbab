/** Programs that commands start: git, and the browser. */
import { spawn, spawnSync } from "node:child_process";
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

/** Opens an address in the browser, if this machine can. */
export function openBrowser(address: string): void {
  const program = process.platform === "darwin" ? "open" : "xdg-open";
  spawn(program, [address], { stdio: "ignore", detached: true })
    .on("error", () => undefined)
    .unref();
}
