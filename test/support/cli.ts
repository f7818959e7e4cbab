import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { built, root } from "./build.js";

/** How a command of the command line ended. */
export interface CliEnding {
  code: number | null;
  out: string;
  err: string;
}

/** Runs `omoi` as it was built, with nothing of this machine's settings but the PATH. */
export async function omoi(env: Record<string, string>, ...args: string[]): Promise<CliEnding> {
  const child = spawn(process.execPath, [built("cli/main.js"), ...args], {
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
