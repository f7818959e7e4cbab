/** Requests of a runner to its server: the protocol in `#shared/runner/protocol.js`. */
import { setTimeout as pause } from "node:timers/promises";
import type { Readable } from "node:stream";
import { z } from "zod";
import {
  heartbeatReplies,
  logReceipt,
  offers,
  RUNNER_PATH,
  runnerJob,
  workReceipt,
  type EgressReport,
  type HeartbeatReplies,
  type Heartbeats,
  type OfferRequest,
  type Offers,
  type RunEnd,
  type RunnerJob,
  type WorkReceipt,
} from "#shared/runner/protocol.js";

/** A request that the server refused. */
export class RefusedError extends Error {
  override readonly name = "RefusedError";
  readonly status: number;
  readonly code: string;
  /** The problem document. */
  readonly problem: Readonly<Record<string, unknown>>;

  constructor(status: number, problem: Readonly<Record<string, unknown>>) {
    super(String(problem["detail"] ?? `the server answered ${status}`));
    this.status = status;
    this.code = String(problem["code"] ?? "unknown");
    this.problem = problem;
  }
}

/** The server cannot be reached, or cannot answer now; the request can be repeated. */
export class UnreachableError extends Error {
  override readonly name = "UnreachableError";
  /** Seconds after which the server wants to be asked again; null if it does not say. */
  readonly retryAfter: number | null;

  constructor(message: string, retryAfter: number | null, options?: ErrorOptions) {
    super(message, options);
    this.retryAfter = retryAfter;
  }
}

export interface ServerConnection {
  /** The address of the server, without a slash at its end. */
  readonly url: string;
  readonly token: string;
  offers(request: OfferRequest, signal: AbortSignal): Promise<Offers>;
  start(runId: string): Promise<RunnerJob>;
  heartbeat(runs: Heartbeats): Promise<HeartbeatReplies>;
  /** Returns the number of bytes that the server has then. */
  appendLog(runId: string, offset: number, lines: Buffer): Promise<number>;
  reportEgress(runId: string, report: EgressReport): Promise<void>;
  sendWork(
    runId: string,
    hasEnded: boolean,
    work: Readable,
    signal: AbortSignal,
  ): Promise<WorkReceipt>;
  end(runId: string, end: RunEnd): Promise<void>;
}

/** Milliseconds after which a request without an answer is given up. */
const TIMEOUT_MS = 30_000;
/** The same for commits, which the server checks. */
const WORK_TIMEOUT_MS = 20 * 60_000;

const problem = z.record(z.string(), z.unknown());

/** @throws RefusedError, UnreachableError in each call */
export function connectToServer(url: string, token: string): ServerConnection {
  const send = async (
    method: string,
    path: string,
    init: {
      type?: string;
      body?: string | Buffer | Readable;
      signal?: AbortSignal;
      timeoutMs?: number;
    } = {},
  ): Promise<unknown> => {
    const { type, body, timeoutMs = TIMEOUT_MS } = init;
    const timeout = AbortSignal.timeout(timeoutMs);
    const signal = init.signal ? AbortSignal.any([timeout, init.signal]) : timeout;
    let response: Response;
    let text: string;
    try {
      response = await fetch(url + RUNNER_PATH + path, {
        method,
        headers: {
          authorization: `Bearer ${token}`,
          accept: "application/json",
          "user-agent": "omoi-runner",
          ...(type !== undefined && { "content-type": type }),
        },
        // The token belongs to this server alone.
        redirect: "error",
        signal,
        ...(body !== undefined && { body: body as never, duplex: "half" as const }),
      });
      text = await response.text();
    } catch (error) {
      if (init.signal?.aborted) throw error;
      const cause = (error as { cause?: unknown }).cause;
      const reason = cause instanceof Error ? cause.message : String((error as Error).message);
      throw new UnreachableError(`${new URL(url).host} cannot be reached (${reason})`, null, {
        cause: error,
      });
    }
    const data = parsed(text);
    if (response.ok) return data;
    const found = problem.safeParse(data);
    if (response.status === 429 || response.status >= 500 || !found.success) {
      const seconds = Number(response.headers.get("retry-after") ?? Number.NaN);
      const said = found.success ? `: ${String(found.data["detail"])}` : "";
      throw new UnreachableError(
        `${new URL(url).host} answered ${response.status}${said}`,
        Number.isFinite(seconds) ? seconds : null,
      );
    }
    throw new RefusedError(response.status, found.data);
  };
  const post = (path: string, body: unknown, signal?: AbortSignal): Promise<unknown> =>
    send("POST", path, {
      type: "application/json",
      body: JSON.stringify(body),
      ...(signal && { signal }),
    });

  return {
    url,
    token,
    offers: async (request, signal) => offers.parse(await post("/offers", request, signal)),
    start: async (runId) => runnerJob.parse(await post(`/runs/${runId}/start`, {})),
    heartbeat: async (runs) => heartbeatReplies.parse(await post("/heartbeats", runs)),
    appendLog: async (runId, offset, lines) => {
      try {
        const answer = await send("POST", `/runs/${runId}/log?offset=${offset}`, {
          type: "application/x-ndjson",
          body: lines,
        });
        return logReceipt.parse(answer).offset;
      } catch (error) {
        const isGap = error instanceof RefusedError && error.code === "log_gap";
        if (!isGap) throw error;
        return logReceipt.parse({ offset: error.problem["offset"] }).offset;
      }
    },
    reportEgress: async (runId, report) => {
      await post(`/runs/${runId}/egress`, report);
    },
    sendWork: async (runId, hasEnded, work, signal) =>
      workReceipt.parse(
        await send("POST", `/runs/${runId}/work?ended=${hasEnded}`, {
          type: "application/x-omoi-work",
          body: work,
          signal,
          timeoutMs: WORK_TIMEOUT_MS,
        }),
      ),
    end: async (runId, end) => {
      await post(`/runs/${runId}/end`, end);
    },
  };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

const FIRST_WAIT_MS = 200;
const MAX_WAIT_MS = 10_000;

/**
 * Repeats a request until the server has answered it.
 * @param giveUp asked before each repetition; a reason ends them
 * @throws RefusedError; the last UnreachableError if it is given up
 */
export async function repeated<Result>(
  work: () => Promise<Result>,
  giveUp: () => boolean,
  signal: AbortSignal,
): Promise<Result> {
  for (let waitMs = FIRST_WAIT_MS; ; waitMs = Math.min(waitMs * 2, MAX_WAIT_MS)) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof UnreachableError) || giveUp()) throw error;
      const askedMs = Math.min((error.retryAfter ?? 0) * 1000, MAX_WAIT_MS);
      // Runners that lost the same server do not come back at the same time.
      await pause(Math.max(waitMs, askedMs) * (0.75 + Math.random() / 2), undefined, { signal });
    }
  }
}
