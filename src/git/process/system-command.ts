/** Runs system programs other than git. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { launchCommand } from "#shared/node/launcher/launch-command.js";
import { PATH } from "./environment.js";
import { bufferOutput } from "./run.js";

/** A system program failed; the message contains its output. */
export class SystemCommandError extends Error {
  override readonly name = "SystemCommandError";
  readonly stderr: string;

  constructor(message: string, stderr: string) {
    super(message);
    this.stderr = stderr;
  }
}

/**
 * Runs a program with arguments in a folder. It sees nothing of the server's environment.
 * @throws SystemCommandError, also if it is not installed or exceeds `timeoutMs`
 */
export async function runSystem(
  program: string,
  args: readonly string[],
  { cwd = "/", timeoutMs = 30_000 }: { cwd?: string; timeoutMs?: number } = {},
): Promise<void> {
  const { exitCode, signal, stderr, failure } = await launchCommand({
    file: program,
    args,
    cwd,
    env: { PATH: `${PATH}:/usr/sbin:/sbin`, LC_ALL: "C" },
    timeoutMs,
    maxOutputBytes: MAX_OUTPUT_BYTES,
  });
  if (exitCode === 0 && failure === null) return;
  const ended = exitCode === null ? `ended by ${signal ?? "an error"}` : `exit code ${exitCode}`;
  const said = stderr.trim().split("\n").at(-1) || ended;
  const why =
    failure === null
      ? said
      : failure !== "not_found"
        ? failure
        : stderr.includes("ENOENT")
          ? "not installed"
          : stderr;
  throw new SystemCommandError(`${program}: ${why}`, stderr);
}

const MAX_OUTPUT_BYTES = 1024 * 1024;

/**
 * Returns the standard output of a program until it ends or `signal` stops it, whatever its exit
 * code. It sees nothing of the server's environment.
 * @throws SystemCommandError when the outcome is unknown
 */
export async function readSystem(
  program: string,
  args: readonly string[],
  signal: AbortSignal,
): Promise<string> {
  const result = await launchCommand({
    file: program,
    args,
    cwd: "/",
    env: { PATH },
    timeoutMs: 0,
    maxOutputBytes: MAX_OUTPUT_BYTES,
    signal,
  });
  const { exitCode, signal: endedBy, failure, stderr } = result;
  // The process that starts commands has ended: nothing is known, unlike after an empty output.
  if (exitCode === null && endedBy === null && failure === null) {
    throw new SystemCommandError(`${program}: ${stderr}`, stderr);
  }
  return result.stdout.toString("utf8");
}

/**
 * Starts a program and streams its output. The reader consumes or destroys `output`.
 * @returns the output, and the exit code with the end of standard error
 */
export function streamSystem(
  program: string,
  args: readonly string[],
  { cwd, input }: { cwd: string; input: string | Buffer | Readable },
): { output: Readable; done: Promise<{ exitCode: number | null; stderr: string }> } {
  const child = spawn(program, args, { cwd, env: { PATH, LC_ALL: "C" } });
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr = (stderr + text).slice(-4096);
  });
  child.stdin.on("error", () => undefined);
  // The program ends at the end of its input, also of one that fails.
  if (input instanceof Readable) pipeline(input, child.stdin).catch(() => undefined);
  else child.stdin.end(input);
  const output = bufferOutput(child.stdout);
  const done = once(child, "close").then(([exitCode]) => ({
    exitCode: exitCode as number | null,
    stderr,
  }));
  done.catch((error: unknown) => output.destroy(error as Error));
  return { output, done };
}
