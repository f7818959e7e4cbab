/**
 * The process that starts commands for the server; `launchCommand` describes them. It exits once the server has ended
 * and its commands too.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { lowerPriority } from "../process-priority.js";
import { frameReader, writeFrame } from "./frames.js";
import type { LaunchRequest, LaunchResult } from "./messages.js";

interface Running {
  child: ChildProcess | null;
  kill: (failure: LaunchResult["failure"]) => void;
}

const running = new Map<number, Running>();
/** Processes that must not outlive the server. */
const guarded = new Set<number>();
/** Output that the server has not read yet is limited: commands then wait. */
const MAX_UNREAD_BYTES = 1024 * 1024;

process.stdin.on(
  "data",
  frameReader((header, input) => {
    const request = header as LaunchRequest;
    if (request.type === "kill") running.get(request.id)?.kill("aborted");
    else if (request.type === "guard") guarded.add(request.pid);
    else if (request.type === "release") guarded.delete(request.pid);
    else start(request, input);
  }),
);
// The server has ended. Its commands go on until they write, as if it had started them itself.
process.stdin.on("end", () => {
  for (const pid of guarded) {
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // It has ended already.
    }
  }
  for (const { child } of running.values()) child?.stdout?.destroy();
});
process.stdout.on("error", () => undefined);
process.stdout.on("drain", () => {
  for (const { child } of running.values()) child?.stdout?.resume();
});
// Signals of a terminal reach the whole process group; the server decides when this process ends.
for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(name, () => undefined);

function start(request: Extract<LaunchRequest, { type: "start" }>, input: Buffer): void {
  const { id, file, args, cwd, env, timeoutMs, maxOutputBytes, keptStderr } = request;
  let failure: LaunchResult["failure"] = null;
  let stdout = 0;
  let stderr = "";
  let child: ChildProcess;
  const end = (exitCode: number | null, signal: string | null): void => {
    if (!running.delete(id)) return;
    clearTimeout(timer);
    writeFrame(process.stdout, { type: "end", id, exitCode, signal, stderr, failure });
  };
  const kill = (reason: LaunchResult["failure"]): void => {
    failure ??= reason;
    const pid = own.child?.pid;
    if (pid === undefined) return;
    try {
      process.kill(-pid, "SIGKILL");
    } catch {
      // The group has ended already.
    }
  };
  const timer = timeoutMs > 0 ? setTimeout(() => kill("timeout"), timeoutMs) : undefined;
  const own: Running = { child: null, kill };
  running.set(id, own);
  const umask = process.umask(request.umask);
  try {
    child = spawn(file, args, {
      cwd,
      env,
      stdio: [input.length > 0 ? "pipe" : "ignore", "pipe", "pipe"],
      detached: true,
    });
  } catch (error) {
    // Such as arguments that are too long.
    failure = "not_found";
    stderr = String(error);
    end(null, null);
    return;
  } finally {
    process.umask(umask);
  }
  own.child = child;
  if (child.pid !== undefined) writeFrame(process.stdout, { type: "started", id, pid: child.pid });
  if (request.background && child.pid !== undefined) lowerPriority(child.pid, "background");
  // It may end without reading all of its input; its exit code decides.
  child.stdin?.on("error", () => undefined).end(input);
  child.stdout?.on("data", (chunk: Buffer) => {
    stdout += chunk.length;
    if (stdout > maxOutputBytes) kill("output_too_large");
    else if (failure === null) writeFrame(process.stdout, { type: "output", id }, chunk);
    if (process.stdout.writableLength > MAX_UNREAD_BYTES) child.stdout?.pause();
  });
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    stderr = (stderr + text).slice(-keptStderr);
  });
  child.on("error", (error) => {
    failure ??= "not_found";
    stderr += error.message;
    end(null, null);
  });
  child.on("close", end);
}
