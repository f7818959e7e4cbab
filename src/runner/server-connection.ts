/** Requests of a runner to its server: the protocol in `#shared/execution/runner/protocol.js`. */
import { Agent, request as httpRequest, type IncomingMessage } from "node:http";
import { Agent as TlsAgent, request as httpsRequest } from "node:https";
import { pipeline } from "node:stream";
import { text } from "node:stream/consumers";
import { setTimeout as pause } from "node:timers/promises";
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
} from "#shared/execution/runner/protocol.js";

/** A request that the server refused. */
export class RefusedError extends Error {
  override readonly name = "RefusedError";
  readonly status: number;
  readonly code: string;
  /** The problem document. */
  readonly problem: Readonly<Record<string, unknown>>;

  constructor(status: number, problem: Readonly<Record<string, unknown>>) {
    super(textOf(problem, "detail") ?? `the server answered ${status}`);
    this.status = status;
    this.code = textOf(problem, "code") ?? "unknown";
    this.problem = problem;
  }
}

/** Whether an error says that the server has ended the run, or gave it to another runner. */
export function isOver(error: unknown): boolean {
  if (!(error instanceof RefusedError)) return false;
  return error.status === 404 || ["run_ended", "run_not_offered"].includes(error.code);
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
    work: NodeJS.ReadableStream,
    signal: AbortSignal,
  ): Promise<WorkReceipt>;
  end(runId: string, end: RunEnd): Promise<void>;
}

/** Milliseconds after which a request without an answer is given up. */
const TIMEOUT_MS = 30_000;
/** The same for a heartbeat: several fit into a lease. */
const HEARTBEAT_TIMEOUT_MS = 10_000;
/** The same for a start, which may wait for the workspace. */
const START_TIMEOUT_MS = 90_000;
/** The same for commits, which take their time on a slow line, and which the server checks. */
const WORK_TIMEOUT_MS = 90 * 60_000;

const problem = z.record(z.string(), z.unknown());

function textOf(document: Readonly<Record<string, unknown>>, field: string): string | null {
  const value = document[field];
  return typeof value === "string" ? value : null;
}

interface Sent {
  type?: string;
  body?: string | Buffer | NodeJS.ReadableStream;
  signal?: AbortSignal;
  timeoutMs?: number;
}

/** @throws RefusedError, UnreachableError in each call */
export function connectToServer(url: string, token: string): ServerConnection {
  const { host, protocol } = new URL(url);
  const isTls = protocol === "https:";
  const agent = isTls ? new TlsAgent({ keepAlive: true }) : new Agent({ keepAlive: true });

  /** Resolves with the answer as it begins. */
  const begin = (
    method: string,
    path: string,
    { type, body }: Pick<Sent, "type" | "body">,
    signal: AbortSignal,
  ): Promise<IncomingMessage> =>
    new Promise((resolve, reject) => {
      const isWhole = typeof body === "string" || Buffer.isBuffer(body);
      const options = {
        method,
        agent,
        signal,
        headers: {
          authorization: `Bearer ${token}`,
          accept: "application/json",
          "user-agent": "omoi-runner",
          ...(type !== undefined && { "content-type": type }),
          ...(isWhole && { "content-length": Buffer.byteLength(body) }),
        },
      };
      const address = new URL(RUNNER_PATH + path, url);
      const sent = isTls
        ? httpsRequest(address, options, resolve)
        : httpRequest(address, options, resolve);
      sent.on("error", reject);
      if (body === undefined || isWhole) sent.end(body);
      else pipeline(body, sent, (error) => error && reject(error));
    });

  const send = async (method: string, path: string, init: Sent = {}): Promise<unknown> => {
    const timeout = AbortSignal.timeout(init.timeoutMs ?? TIMEOUT_MS);
    const signal = init.signal ? AbortSignal.any([timeout, init.signal]) : timeout;
    let response: IncomingMessage;
    let answer: string;
    try {
      response = await begin(method, path, init, signal);
      answer = await text(response);
    } catch (error) {
      if (init.signal?.aborted) throw error;
      const reason = timeout.aborted ? "no answer in time" : (error as Error).message;
      throw new UnreachableError(`${host} cannot be reached (${reason})`, null, { cause: error });
    }
    const { statusCode: status = 0, headers } = response;
    const data = parsed(answer);
    if (status >= 200 && status < 300) return data;
    const found = problem.safeParse(data);
    const isTransient =
      status === 408 ||
      status === 429 ||
      status >= 500 ||
      // The workspace, or an earlier request whose answer was lost, is at work.
      (found.success && found.data["code"] === "workspace_busy");
    // An answer of something in between is not the server's.
    if (isTransient || !found.success) {
      const seconds = Number(headers["retry-after"] ?? Number.NaN);
      const said = found.success ? `: ${textOf(found.data, "detail") ?? ""}` : "";
      throw new UnreachableError(
        `${host} answered ${status}${said}`,
        Number.isFinite(seconds) ? seconds : null,
      );
    }
    throw new RefusedError(status, found.data);
  };
  const post = (
    path: string,
    body: unknown,
    more: { signal?: AbortSignal; timeoutMs?: number } = {},
  ): Promise<unknown> =>
    send("POST", path, { type: "application/json", body: JSON.stringify(body), ...more });

  return {
    url,
    token,
    offers: async (request, signal) => offers.parse(await post("/offers", request, { signal })),
    start: async (runId) =>
      runnerJob.parse(await post(`/runs/${runId}/start`, {}, { timeoutMs: START_TIMEOUT_MS })),
    heartbeat: async (runs) =>
      heartbeatReplies.parse(await post("/heartbeats", runs, { timeoutMs: HEARTBEAT_TIMEOUT_MS })),
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
