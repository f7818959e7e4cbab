import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { builtFile, root } from "./built-files.js";

/** The result of a command. */
export interface CliResult {
  code: number | null;
  out: string;
  err: string;
}

/** Runs the built `omoi`; of this machine's environment it sees only PATH. */
export async function omoi(env: Record<string, string>, ...args: string[]): Promise<CliResult> {
  const child = spawn(process.execPath, [builtFile("cli/main.js"), ...args], {
    cwd: root,
    env: { PATH: process.env["PATH"], ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const [out, err, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, "close"),
  ]);
  return { code: code as number | null, out, err };
}
