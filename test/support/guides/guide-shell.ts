import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Readable, Writable } from "node:stream";

export interface ShellOutput {
  out: string;
  err: string;
}

/** A shell that keeps its variables, functions and folder between the blocks of a guide. */
export interface GuideShell {
  /** @throws Error with the output, if a command fails; the shell has ended then */
  run(commands: string): Promise<ShellOutput>;
  close(): Promise<void>;
}

/** Reads names of scripts from descriptor 3, and writes a line to descriptor 4 after each. */
const LOOP = `while read -r script <&3; do
  source "$script" >"$script.out" 2>"$script.err" </dev/null
  echo done >&4
done`;

/**
 * Starts a shell.
 * @param scripts a folder for its scripts and their output
 */
export function openGuideShell(
  cwd: string,
  scripts: string,
  env: Record<string, string>,
): GuideShell {
  const child = spawn("bash", ["-euo", "pipefail", "-c", LOOP], {
    cwd,
    env,
    stdio: ["ignore", "ignore", "inherit", "pipe", "pipe"],
  });
  const [input, answers] = [child.stdio[3] as Writable, child.stdio[4] as Readable];
  // A shell that has ended reads no more.
  input.on("error", () => undefined);
  const closed = once(child, "close");
  let count = 0;
  return {
    run: async (commands) => {
      const script = join(scripts, `${process.pid}-${child.pid}-${(count += 1)}.sh`);
      await writeFile(script, commands);
      const done = once(answers, "data");
      input.write(`${script}\n`);
      const end = await Promise.race([done.then(() => null), closed]);
      const read = (ending: string) => readFile(`${script}.${ending}`, "utf8");
      const [out, err] = await Promise.all([read("out"), read("err")]);
      if (end !== null) throw new Error(`exit code ${end[0]} of\n${commands}\n${out}\n${err}`);
      return { out, err };
    },
    close: async () => {
      input.end();
      await closed;
    },
  };
}
