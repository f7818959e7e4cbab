import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import type { TestPerson } from "./app.js";
import { builtFile } from "./built-files.js";
import type { CliResult } from "./cli.js";

/** The built command of a person, with a home of its own. */
export interface SignedInCli {
  home: string;
  env: Record<string, string>;
  run(...args: string[]): Promise<CliResult>;
  /** Runs it with a text as standard input, in another folder, or with further variables. */
  runWith(
    options: { input?: string; cwd?: string; env?: Readonly<Record<string, string>> },
    ...args: string[]
  ): Promise<CliResult>;
  start(...args: string[]): ChildProcess;
  close(): void;
}

/** Opens a home in which no one is signed in. */
export function openCli(more: Record<string, string> = {}): SignedInCli {
  const home = mkdtempSync(join(tmpdir(), "omoi-cli-"));
  const env = { PATH: process.env["PATH"] ?? "", HOME: home, ...more };
  const start = (
    args: readonly string[],
    cwd: string,
    isFed: boolean,
    variables: Readonly<Record<string, string>> = {},
  ): ChildProcess =>
    spawn(process.execPath, [builtFile("cli/main.js"), ...args], {
      cwd,
      env: { ...env, ...variables },
      stdio: [isFed ? "pipe" : "ignore", "pipe", "pipe"],
    });
  const runWith: SignedInCli["runWith"] = async (
    { input, cwd = home, env: variables },
    ...args
  ) => {
    const child = start(args, cwd, input !== undefined, variables);
    if (input !== undefined) child.stdin?.end(input);
    const [out, err, [code]] = await Promise.all([
      text(child.stdout as NodeJS.ReadableStream),
      text(child.stderr as NodeJS.ReadableStream),
      once(child, "close"),
    ]);
    return { code: code as number | null, out, err };
  };
  return {
    home,
    env,
    run: (...args) => runWith({}, ...args),
    runWith,
    start: (...args) => start(args, home, false),
    close: () => rmSync(home, { recursive: true, force: true }),
  };
}

/** The same for a person who is signed in by a token. */
export async function signedInCli(
  url: string,
  { token }: Pick<TestPerson, "token">,
): Promise<SignedInCli> {
  const cli = openCli();
  const { code, err } = await cli.runWith({ input: token }, "login", url, "--token");
  if (code !== 0) throw new Error(`omoi login: ${err}`);
  return cli;
}
