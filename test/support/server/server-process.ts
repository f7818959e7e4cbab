import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { createClient, type Client } from "#shared/contract/client.js";
import { root } from "./built-files.js";

/** The exit and output of a server process. */
export interface ProcessExit {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

export interface ServerProcess {
  process: ChildProcess;
  /** Settles with the printed URL, or rejects if the process ended before. */
  ready: Promise<string>;
  ended: Promise<ProcessExit>;
  /** Standard error so far. */
  stderr(): string;
}

/**
 * Starts the real built server; of this machine's environment it sees only PATH. `options` are Node
 * options, `through` a wrapping program with its arguments, `built` the Node and the build folder
 * to use.
 */
export function startServer(
  env: Record<string, string>,
  options: readonly string[] = [],
  through: readonly string[] = [],
  built: { node?: string; root?: string } = {},
): ServerProcess {
  const args = ["--title=folders-under-test", ...options, "dist/server/main.js"];
  const { node = process.execPath } = built;
  const [program = node, ...further] = through;
  const all = through.length === 0 ? args : [...further, node, ...args];
  const child = spawn(program, all, {
    cwd: built.root ?? root,
    env: { PATH: process.env["PATH"], OMOI_PORT: "0", OMOI_LOG_LEVEL: "warn", ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let stdout = "";
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  const lines = createInterface({ input: child.stdout });
  const ended = once(child, "close").then(([code, signal]) => ({
    code: code as number | null,
    signal: signal as NodeJS.Signals | null,
    stdout,
    stderr,
  }));
  const ready = new Promise<string>((resolve, reject) => {
    lines.on("line", (line) => {
      stdout += `${line}\n`;
      const url = /^Omoi is ready: (https?:\S+)$/.exec(line)?.[1];
      if (url !== undefined) resolve(url);
    });
    ended.then(
      ({ code, signal }) => reject(new Error(`the server ended (${code ?? signal}): ${stderr}`)),
      reject,
    );
  });
  ready.catch(() => {});
  return { process: child, ready, ended, stderr: () => stderr };
}

/** Returns the typed client of a server. With `stderr`, an error 500 states the cause from its log. */
export function clientOf(url: string, token?: string, stderr?: () => string): Client {
  return createClient(async (path, init) => {
    const response = await fetch(url + path, {
      ...init,
      headers: {
        ...(init.headers as Record<string, string>),
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      },
    });
    if (response.status !== 500 || stderr === undefined) return response;
    const problem = (await response.json()) as object;
    const detail = `the server's log ends with: ${stderr().trim().split("\n").slice(-3).join(" ")}`;
    return Response.json({ ...problem, detail }, { status: 500, headers: response.headers });
  });
}

/** Returns the pid of the PostgreSQL that serves a data folder, or null. */
export async function postgresPid(dataDir: string): Promise<number | null> {
  const text = await readFile(join(dataDir, "postgres/postmaster.pid"), "utf8").catch(() => "");
  const pid = Number(text.split("\n", 1)[0]);
  return pid > 0 && isAlive(pid) ? pid : null;
}

/** Tells whether a process is running; a zombie is not. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch (error) {
    // Without /proc, the first process reaps orphans.
    return (error as NodeJS.ErrnoException).code === "ENOENT" && existsOnly(pid);
  }
}

function existsOnly(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
