/**
 * The single place that starts git. Arguments are arrays, no shell interprets them, and git does
 * not see the server's environment: every setting that a working tree, the machine or a user's home
 * could change is fixed here.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { type Duplex, PassThrough, pipeline, Readable, type Writable } from "node:stream";
import { launchCommand } from "#shared/node/launcher/launch-command.js";
import { publish, secondsSince } from "#shared/node/measurements.js";
import { lowerPriority } from "#shared/node/process-priority.js";
import { environment } from "./environment.js";
import type { GitOptions } from "./git-options.js";

export { EMPTY_TREE } from "./environment.js";
export type { GitOptions, ProcessOptions, Protocol } from "./git-options.js";

/** The null object id. */
export const ZERO_OID = "0".repeat(40);

/** Why a git process failed; `not_found`: the program could not be started. */
export type GitFailure = "exit" | "timeout" | "output_too_large" | "aborted" | "not_found";

/** A failed git process. The message is for logs, not for users. */
export class GitError extends Error {
  override readonly name = "GitError";
  readonly reason: GitFailure;
  /** The exit code, or null if there is none. */
  readonly exitCode: number | null;
  /** The last 64 KiB of standard error. */
  readonly stderr: string;
  readonly args: readonly string[];

  constructor(
    reason: GitFailure,
    exitCode: number | null,
    stderr: string,
    args: readonly string[],
  ) {
    const command = subcommandOf(args);
    const detail = stderr.trim().split("\n").slice(-3).join(" | ").slice(-500);
    super(`git ${command} failed (${reason}${exitCode === null ? "" : ` ${exitCode}`}): ${detail}`);
    this.reason = reason;
    this.exitCode = exitCode;
    this.stderr = stderr;
    this.args = args;
  }
}

function subcommandOf(args: readonly string[]): string {
  return args.find((arg) => !arg.startsWith("-")) ?? "";
}

/** A running git process. The reader must consume or destroy `stdout`. */
export interface GitProcess {
  /** Null unless `stdin: "pipe"` was requested. */
  readonly stdin: Writable | null;
  readonly stdout: Readable;
  /** Kills the whole process group; no effect after the end. */
  kill(): void;
  /** Settles once the process has ended and its streams are closed; rejects with a GitError. */
  readonly done: Promise<{ exitCode: number; stderr: string }>;
}

/**
 * Buffers a process's output for a reader that attaches later. Node discards output without a
 * reader when the process ends.
 */
export function bufferOutput(output: Readable): Readable {
  const kept = new PassThrough();
  pipeline(output, kept, () => undefined);
  return kept;
}

const STDERR_KEPT = 64 * 1024;
const TIMEOUT_MS = 60_000;

/**
 * Starts git and returns its streams, for smart HTTP and other output that must not be buffered.
 * Environment, settings, time limit and abort are those of `git()`.
 */
export function spawnGit(
  args: readonly string[],
  options: GitOptions & { stdin?: "pipe" } = {},
): GitProcess {
  const piped = options.stdin === "pipe" || options.input !== undefined;
  const start = performance.now();
  const child = spawn("/bin/sh", limited(args, options), {
    cwd: options.cwd ?? "/",
    env: environment(options),
    stdio: [
      piped ? "pipe" : "ignore",
      "pipe",
      "pipe",
      ...(options.descriptors ? (["pipe", "pipe"] as const) : []),
    ],
    detached: true,
  });
  if (options.background && child.pid !== undefined) lowerPriority(child.pid, "background");
  const { stdin, stdout, stderr } = child;
  if (stdout === null || stderr === null) throw new Error("git was started without pipes");
  if (options.descriptors) openDescriptors(child, options.descriptors);
  let stderrText = "";
  let failure: GitFailure | null = null;

  const kill = (): void => {
    if (child.pid === undefined) return;
    try {
      process.kill(-child.pid, "SIGKILL");
    } catch {
      // The group has ended already.
    }
  };
  const fail = (reason: GitFailure): void => {
    failure ??= reason;
    kill();
  };

  const timeoutMs = options.timeoutMs ?? TIMEOUT_MS;
  const timer = timeoutMs > 0 ? setTimeout(() => fail("timeout"), timeoutMs) : undefined;
  const onAbort = (): void => fail("aborted");
  options.signal?.addEventListener("abort", onAbort, { once: true });
  if (options.signal?.aborted) onAbort();

  stderr.setEncoding("utf8");
  stderr.on("data", (text: string) => {
    stderrText = (stderrText + text).slice(-STDERR_KEPT);
    options.onStderr?.(text);
  });
  // git may end without reading all of its input; its exit code decides.
  stdin?.on("error", () => undefined);
  if (stdin !== null && options.input instanceof Readable) {
    options.input.on("error", kill).pipe(stdin);
  } else if (options.input !== undefined) {
    stdin?.end(options.input);
  }

  let ended = false;
  const done = new Promise<{ exitCode: number; stderr: string }>((resolve, reject) => {
    const settle = (code: number | null): void => {
      if (ended) return;
      ended = true;
      clearTimeout(timer);
      options.signal?.removeEventListener("abort", onAbort);
      if (code === NOT_FOUND) failure ??= "not_found";
      const succeeded = failure === null && (options.okExitCodes ?? [0]).includes(code ?? -1);
      if (!options.persistent) {
        const command = subcommandOf(args);
        publish("gitCommand", { command, seconds: secondsSince(start), succeeded });
      }
      if (failure !== null) reject(new GitError(failure, code, stderrText, args));
      else if (code !== null && (options.okExitCodes ?? [0]).includes(code))
        resolve({ exitCode: code, stderr: stderrText });
      else reject(new GitError("exit", code, stderrText, args));
    };
    child.on("error", (error) => {
      failure ??= "not_found";
      stderrText += error.message;
      settle(null);
    });
    child.on("close", settle);
  });
  done.catch(() => undefined);
  return {
    stdin: options.stdin === "pipe" ? stdin : null,
    stdout,
    kill: () => !ended && kill(),
    done,
  };
}

/** The unit of `ulimit -f` in bytes (POSIX). */
export const BLOCK = 512;
/**
 * Writable memory of one git process: objects, trees and an index. A tree within TREE_LIMITS needs
 * less than half. Packs are mapped read-only and do not count (RLIMIT_DATA).
 */
const MAX_MEMORY_BYTES = 2 * 2 ** 30;
/** The largest file git may write: a last resort, since imports and pushes have lower limits. */
const MAX_FILE_BYTES = 64 * 2 ** 30;
/** Open files of one git process, which closes packs to stay below. */
const MAX_DESCRIPTORS = 1024;

/**
 * Sets limits that all children inherit. Core files are off because they could be as large as the
 * memory. A limit that cannot be set is already stricter.
 */
const LIMITS =
  '{ ulimit -c 0; ulimit -S -n "$1"; ulimit -d "$2"; ulimit -f "$3"; } 2>/dev/null; shift 3; exec git "$@"';
/** Files of a working tree get the usual modes; access to the folder itself is restricted. */
const COMMON_UMASK = "umask 022";
/** The exit code of a shell that does not find the program. */
const NOT_FOUND = 127;

/** Wraps the command in a shell, which sets the limits and then becomes git. */
function limited(args: readonly string[], options: GitOptions): string[] {
  const { workTree, maxFileBytes = MAX_FILE_BYTES } = options;
  const blocks = Math.max(1, Math.floor(maxFileBytes / BLOCK));
  const limits = [MAX_DESCRIPTORS, MAX_MEMORY_BYTES / 1024, blocks].map(String);
  const script = workTree === undefined ? LIMITS : `${COMMON_UMASK}; ${LIMITS}`;
  return ["-c", script, "sh", ...limits, ...args];
}

function openDescriptors(child: ChildProcess, use: NonNullable<GitOptions["descriptors"]>): void {
  const [, , , third, fourth] = child.stdio as unknown as Duplex[];
  if (!third || !fourth) return;
  for (const stream of [third, fourth]) {
    // git may end without using the descriptors to the end; its exit code decides.
    stream.on("error", () => undefined);
    child.once("exit", () => stream.destroy());
  }
  use(third, fourth);
}

/**
 * Runs git and returns its whole output.
 * @throws GitError for an exit code outside `okExitCodes`, a timeout, output above
 *   `maxOutputBytes`, an abort, or if git cannot be started
 */
export async function git(
  args: readonly string[],
  options: GitOptions = {},
): Promise<{ exitCode: number; stdout: Buffer; stderr: string }> {
  const { input, signal, descriptors, onStderr } = options;
  if (signal?.aborted) throw new GitError("aborted", null, "", args);
  const limit = options.maxOutputBytes ?? 64 * 1024 * 1024;
  const isWhole = !(input instanceof Readable);
  if (isWhole && descriptors === undefined && onStderr === undefined) {
    return launchGit(args, options, input, limit);
  }
  const process = spawnGit(args, options);
  const chunks: Buffer[] = [];
  let size = 0;
  process.stdout.on("data", (chunk: Buffer) => {
    size += chunk.length;
    if (size > limit) process.kill();
    else chunks.push(chunk);
  });
  try {
    const { exitCode, stderr } = await process.done;
    if (size > limit) throw new GitError("output_too_large", exitCode, stderr, args);
    return { exitCode, stdout: Buffer.concat(chunks, size), stderr };
  } catch (error) {
    if (size > limit && error instanceof GitError && error.reason === "exit") {
      throw new GitError("output_too_large", error.exitCode, error.stderr, args);
    }
    throw error;
  }
}

/** Runs git by the process that starts commands. */
async function launchGit(
  args: readonly string[],
  options: GitOptions,
  input: string | Uint8Array | undefined,
  maxOutputBytes: number,
): Promise<{ exitCode: number; stdout: Buffer; stderr: string }> {
  const start = performance.now();
  const { exitCode, stdout, stderr, failure } = await launchCommand({
    file: "/bin/sh",
    args: limited(args, options),
    cwd: options.cwd ?? "/",
    env: environment(options),
    input: typeof input === "string" ? Buffer.from(input) : input,
    timeoutMs: options.timeoutMs ?? TIMEOUT_MS,
    maxOutputBytes,
    background: options.background,
    signal: options.signal,
  });
  const reason = exitCode === NOT_FOUND ? "not_found" : failure;
  const isExpected = exitCode !== null && (options.okExitCodes ?? [0]).includes(exitCode);
  const succeeded = reason === null && isExpected;
  publish("gitCommand", { command: subcommandOf(args), seconds: secondsSince(start), succeeded });
  if (!succeeded) throw new GitError(reason ?? "exit", exitCode, stderr, args);
  return { exitCode, stdout, stderr };
}

/**
 * Returns the version of the installed git.
 * @throws GitError `not_found` if git is not installed
 */
export async function gitVersion(): Promise<{ major: number; minor: number; text: string }> {
  const text = (await git(["version"])).stdout.toString("utf8").trim();
  const match = /(\d+)\.(\d+)/.exec(text);
  if (match === null)
    throw new GitError("not_found", null, `unexpected version: ${text}`, ["version"]);
  return { major: Number(match[1]), minor: Number(match[2]), text };
}
