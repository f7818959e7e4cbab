/** The callers of an organization that is not attacking, in a process of their own: they share no event loop. */
import { fork } from "node:child_process";
import { Agent } from "node:http";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { askOnce } from "../support/single-request.js";

/** A request that is sent at fixed times, whether or not its predecessors have been answered. */
export interface Request {
  kind: string;
  url: string;
  method: "GET" | "POST" | "PATCH";
  body?: unknown;
  everyMs: number;
}

export interface Innocent {
  key: string;
  requests: readonly Request[];
}

/** Latencies in milliseconds, by kind of request; null for a request that failed or got no answer in time. */
export type Latencies = Record<string, (number | null)[]>;

const ANSWER_MS = 60_000;

const file = fileURLToPath(import.meta.url);

/** Sends the requests for some seconds. */
export function work(innocent: Innocent, seconds: number): Promise<Latencies> {
  return new Promise((resolve, reject) => {
    const child = fork(file, [JSON.stringify({ innocent, seconds })], {
      stdio: ["ignore", "ignore", "inherit", "ipc"],
    });
    let latencies: Latencies | null = null;
    child.once("message", (message) => {
      latencies = message as Latencies;
    });
    child.once("error", reject);
    child.once("exit", (code) => {
      if (latencies) resolve(latencies);
      else reject(new Error(`the innocent callers ended with ${code}`));
    });
  });
}

/**
 * Latencies count from the planned time of a request: a server that stands still delays all requests that fall
 * into that time, not only the one that happens to wait.
 */
async function main(innocent: Innocent, seconds: number): Promise<Latencies> {
  const agent = new Agent({ keepAlive: true });
  const latencies: Latencies = {};
  const start = performance.now() + 100;
  const sendAll = async ({ kind, url, method, body, everyMs }: Request): Promise<void> => {
    const times: (number | null)[] = (latencies[kind] = []);
    const open: Promise<void>[] = [];
    for (let planned = start; planned < start + seconds * 1000; planned += everyMs) {
      await pause(Math.max(0, planned - performance.now()));
      const sent = askOnce(agent, url, innocent.key, { method, body: body ?? null });
      const late = pause(ANSWER_MS, "late", { ref: false });
      const ended = Promise.race([sent, late]).then(
        (how) => void times.push(how === "late" ? null : performance.now() - planned),
        () => void times.push(null),
      );
      open.push(ended);
    }
    await Promise.all(open);
  };
  await Promise.all(innocent.requests.map(sendAll));
  agent.destroy();
  return latencies;
}

if (process.argv[1] === file) {
  const { innocent, seconds } = JSON.parse(process.argv[2] ?? "") as {
    innocent: Innocent;
    seconds: number;
  };
  process.send?.(await main(innocent, seconds));
}
