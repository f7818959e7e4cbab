/**
 * Starts commands whose output is read as a whole. A small process does it: starting one copies the page tables of the
 * process that starts it, which takes a server tens of milliseconds in which it answers nothing.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { createRequire } from "node:module";
import { join } from "node:path";
import type { Readable, Writable } from "node:stream";
import { withoutInherited } from "../inherited-descriptors.js";
import { frameReader, writeFrame } from "./frames.js";
import type { LaunchAnswer, LaunchResult } from "./messages.js";

/** A command, in its own process group. It sees only this environment. */
export interface Command {
  file: string;
  args: readonly string[];
  cwd: string;
  env: Readonly<Record<string, string>>;
  /** Standard input; empty by default. */
  input?: Uint8Array | undefined;
  /** Milliseconds after which its group is killed; 0 for no limit. */
  timeoutMs: number;
  /** Maximum length of standard output in bytes; its group is killed at more. */
  maxOutputBytes: number;
  /** That of the server by default. */
  umask?: number;
  /** Lowers its priority. */
  background?: boolean | undefined;
  /** Aborting kills its group. */
  signal?: AbortSignal | undefined;
}

/** A command that has ended, or could not be started. */
export interface CommandResult extends LaunchResult {
  stdout: Buffer;
}

interface Pending {
  chunks: Buffer[];
  /** The id of the command's process group; null before it has started. */
  pid: number | null;
  settle: (result: LaunchResult) => void;
}

interface Launcher {
  requests: Writable;
  pending: Map<number, Pending>;
}

/** Characters of standard error that are kept. */
const KEPT_STDERR = 64 * 1024;

let launcher: Launcher | null = null;
/** The processes of `killWithServer`. */
const guarded = new Set<number>();
let lastId = 0;

/** Runs a command to its end. Never rejects. */
export function launchCommand(command: Command): Promise<CommandResult> {
  const { input, signal, umask = process.umask(), background = false, ...rest } = command;
  if (signal?.aborted) return Promise.resolve(notStarted("aborted", ""));
  let own: Launcher;
  try {
    own = launcher ??= startLauncher();
  } catch (error) {
    // Such as too many open files.
    return Promise.resolve(notStarted("not_found", String(error)));
  }
  lastId += 1;
  const id = lastId;
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    const abort = (): void => writeFrame(own.requests, { type: "kill", id });
    own.pending.set(id, {
      chunks,
      pid: null,
      settle: (result) => {
        signal?.removeEventListener("abort", abort);
        const { exitCode, signal: endedBy, stderr, failure } = result;
        resolve({ exitCode, signal: endedBy, stdout: Buffer.concat(chunks), stderr, failure });
      },
    });
    hold(own);
    const request = { ...rest, type: "start", id, umask, background, keptStderr: KEPT_STDERR };
    writeFrame(own.requests, request, input);
    signal?.addEventListener("abort", abort, { once: true });
  });
}

/**
 * Kills a process, by SIGKILL, if this process ends before `release` was called, however it ends. Without effect if no
 * helper process can be started.
 * @returns `release`, to be called once the process has ended
 */
export function killWithServer(pid: number): () => void {
  guarded.add(pid);
  try {
    // A started one learns of all guarded processes.
    if (launcher === null) launcher = startLauncher();
    else writeFrame(launcher.requests, { type: "guard", pid });
  } catch {
    // Such as too many open files.
  }
  return () => {
    guarded.delete(pid);
    if (launcher !== null) writeFrame(launcher.requests, { type: "release", pid });
  };
}

const notStarted = (failure: LaunchResult["failure"], stderr: string): CommandResult => ({
  exitCode: null,
  signal: null,
  stdout: Buffer.alloc(0),
  stderr,
  failure,
});

function startLauncher(): Launcher {
  const child = spawnLauncher();
  const { stdin: requests, stdout: answers } = child;
  if (!requests || !answers) throw new Error("the process that starts commands got no pipes");
  const pending = new Map<number, Pending>();
  const started: Launcher = { requests, pending };
  const take = (id: number): Pending | undefined => {
    const found = pending.get(id);
    pending.delete(id);
    if (pending.size === 0) release(child, answers);
    return found;
  };
  const receive = frameReader((header, content) => {
    const answer = header as LaunchAnswer;
    const known = pending.get(answer.id);
    if (answer.type === "started" && known) known.pid = answer.pid;
    else if (answer.type === "output") pending.get(answer.id)?.chunks.push(content);
    else if (answer.type === "end") take(answer.id)?.settle(answer);
  });
  answers.on("data", receive);
  /** Its commands are killed: no time limit and no abort would end them. */
  const ended = (error: Error | null): void => {
    if (launcher === started) launcher = null;
    const stderr = `the process that starts commands has ended${error === null ? "" : `: ${error.message}`}`;
    const result = { exitCode: null, signal: null, stderr, failure: null };
    for (const id of pending.keys()) {
      const command = take(id);
      if (command) killGroup(command.pid);
      command?.settle(result);
    }
  };
  child.on("error", ended);
  child.on("close", () => ended(null));
  requests.on("error", () => undefined);
  holders.set(started, () => {
    child.ref();
    refOf(answers)?.ref?.();
  });
  release(child, answers);
  for (const pid of guarded) writeFrame(requests, { type: "guard", pid });
  return started;
}

function killGroup(pid: number | null): void {
  if (pid === null) return;
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // It has ended already.
  }
}

/** Keeps this process from ending while a command runs. */
const holders = new WeakMap<Launcher, () => void>();
const hold = (own: Launcher): void => holders.get(own)?.();

function release(child: ChildProcess, answers: Readable): void {
  child.unref();
  refOf(answers)?.unref?.();
  refOf(child.stdin)?.unref?.();
}

/** Pipes of children are sockets, which their types do not say. */
const refOf = (stream: unknown) => stream as { ref?: () => void; unref?: () => void } | null;

function spawnLauncher(): ChildProcess {
  const isSource = import.meta.filename.endsWith(".ts");
  // Tests and benchmarks run from source.
  const loader = isSource ? ["--import", createRequire(import.meta.url).resolve("tsx")] : [];
  const script = join(import.meta.dirname, `launcher-process.${isSource ? "ts" : "js"}`);
  return spawn(
    process.execPath,
    ["--title=omoi-launcher", "--max-semi-space-size=1", ...loader, script],
    {
      cwd: "/",
      // The commands get environments of their own.
      env: { PATH: process.env["PATH"] ?? "/usr/local/bin:/usr/bin:/bin" },
      stdio: withoutInherited(["pipe", "pipe", process.stderr.fd]),
    },
  );
}
