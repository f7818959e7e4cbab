import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { text } from "node:stream/consumers";

/** How a command of the command line ended. */
export interface CliEnding {
  code: number | null;
  out: string;
  err: string;
}

/** Runs `omoi` as it was built, with nothing of this machine's settings but the PATH. */
export async function omoi(env: Record<string, string>, ...args: string[]): Promise<CliEnding> {
  const child = spawn(process.execPath, ["dist/cli/main.js", ...args], {
    cwd: join(import.meta.dirname, "../.."),
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
