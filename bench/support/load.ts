import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import autocannon from "autocannon";

/** A separate process for requests, so that it shares no event loop with the measured one. */

export interface LoadRequest {
  url: string;
  connections: number;
  seconds: number;
  headers: Record<string, string>;
  /** A JSON text to POST; otherwise a GET. */
  body?: string;
}

export interface LoadResult {
  requestsPerSecond: number;
  p50: number;
  p99: number;
}

const file = fileURLToPath(import.meta.url);

/** Sends requests for some seconds; all must succeed. */
export function load(request: LoadRequest): Promise<LoadResult> {
  return new Promise((resolve, reject) => {
    const child = fork(file, [JSON.stringify(request)], {
      stdio: ["ignore", "ignore", "inherit", "ipc"],
    });
    let result: LoadResult | null = null;
    child.once("message", (message) => {
      result = message as LoadResult;
    });
    child.once("error", reject);
    child.once("exit", (code) => {
      if (result) resolve(result);
      else reject(new Error(`the load ended with ${code}`));
    });
  });
}

async function main(request: LoadRequest): Promise<void> {
  const { url, connections, seconds, headers, body } = request;
  const posted = body === undefined ? {} : { method: "POST" as const, body };
  const result = await autocannon({ url, connections, duration: seconds, headers, ...posted });
  const failed = result.errors + result.timeouts + result.non2xx;
  if (failed > 0) throw new Error(`${failed} of ${result.requests.total} requests failed`);
  const answer: LoadResult = {
    requestsPerSecond: result.requests.total / result.duration,
    p50: result.latency.p50,
    p99: result.latency.p99,
  };
  process.send?.(answer);
}

if (process.argv[1] === file) await main(JSON.parse(process.argv[2] ?? "") as LoadRequest);
