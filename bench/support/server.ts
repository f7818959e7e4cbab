import { spawn, type ChildProcess } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { createClient, type Client } from "#shared/contract/client.js";
import { plainEnv } from "./harness.js";

const root = join(import.meta.dirname, "../..");
const dist = join(root, "dist/server/main.js");
/** Marks a complete build (written by scripts/prepare.mjs). */
const built = existsSync(join(root, "dist/.built-server")) && existsSync(dist);

/** The server under test: the build if complete, otherwise the sources. */
export const serverKind = built ? "node dist/server/main.js" : "tsx src/server/main.ts (not built)";

// With a loader, not with tsx's own program: the started process must be the server.
const serverArgs = built ? [dist] : ["--import", "tsx", join(root, "src/server/main.ts")];

export interface Server {
  url: string;
  pid: number;
  /** Milliseconds from process start to the ready message. */
  readyMs: number;
  stop(): Promise<void>;
}

interface StartOptions {
  dataDir: string;
  env?: Record<string, string>;
  /** The program to start; the server by default. */
  program?: readonly [string, ...string[]];
}

/** Starts the server in its own process, as in production, on a free loopback port. */
export async function startServer({ dataDir, env = {}, program }: StartOptions): Promise<Server> {
  const [file, ...args] = program ?? [process.execPath, ...serverArgs];
  const start = performance.now();
  const child = spawn(file, args, {
    cwd: root,
    stdio: ["ignore", "pipe", "pipe"],
    env: plainEnv({
      NODE_ENV: "production",
      OMOI_DATA_DIR: dataDir,
      OMOI_PORT: "0",
      OMOI_LOG_LEVEL: "warn",
      ...env,
    }),
  });
  const url = await readyUrl(child);
  const readyMs = performance.now() - start;
  return { url, pid: child.pid as number, readyMs, stop: () => end(child) };
}

function readyUrl(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let out = "";
    let problem = "";
    const limit = setTimeout(() => {
      child.kill("SIGKILL");
      reject(new Error(`the server was not ready within a minute: ${problem}`));
    }, 60_000);
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      problem = (problem + text).slice(-4000);
    });
    child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      out += text;
      const url = /^Omoi is ready: (\S+)$/m.exec(out)?.[1];
      if (url === undefined) return;
      clearTimeout(limit);
      resolve(url);
    });
    child.once("error", reject);
    child.once("exit", (code) => {
      clearTimeout(limit);
      reject(new Error(`the server ended with ${code} before it was ready: ${problem}`));
    });
  });
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGTERM");
  await ended;
}

/** Runs work with a server and a signed-in person. */
export async function withServer<Result>(
  options: StartOptions,
  work: (server: Server, api: Client) => Promise<Result>,
): Promise<Result> {
  const server = await startServer(options);
  try {
    return await work(server, await signIn(server.url));
  } finally {
    await server.stop();
  }
}

/** The person signed in by `withServer`. */
export const account = { email: "bench@example.com", password: "correct staple bench" };

async function signIn(url: string): Promise<Client> {
  const anonymous = clientOf(url, null);
  await anonymous.auth.register({ body: account });
  const { data } = await anonymous.auth.login({ body: account });
  return clientOf(url, data.access_token);
}

/** Returns the typed client of a server with a token or key. */
export function clientOf(url: string, token: string | null): Client {
  return createClient((path, init) =>
    fetch(url + path, {
      ...init,
      headers: {
        ...(init.headers as Record<string, string>),
        ...(token === null ? {} : { authorization: `Bearer ${token}` }),
      },
    }),
  );
}
