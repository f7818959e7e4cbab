/** Runs system programs other than git. */
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { promisify } from "node:util";
import { PATH } from "./environment.js";
import { bufferOutput } from "./run.js";

const run = promisify(execFile);

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
  try {
    const env = { PATH: `${PATH}:/usr/sbin:/sbin`, LC_ALL: "C" };
    await run(program, args, { cwd, env, timeout: timeoutMs });
  } catch (error) {
    const { stderr = "", code, message } = error as { stderr?: string; code?: unknown } & Error;
    const said = stderr.trim().split("\n").at(-1) ?? "";
    const why = said || (code === "ENOENT" ? "not installed" : message);
    throw new SystemCommandError(`${program}: ${why}`, stderr);
  }
}

/**
 * Returns the standard output of a program until it ends or `signal` stops it, whatever its exit
 * code. It sees nothing of the server's environment.
 */
export function readSystem(
  program: string,
  args: readonly string[],
  signal: AbortSignal,
): Promise<string> {
  return new Promise((resolve) => {
    execFile(program, args, { env: { PATH }, signal }, (_error, output) => resolve(output));
  });
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
