/** Calls of runs to model providers, with the provider's key in place of the run's token. */
import type { IncomingHttpHeaders, IncomingMessage } from "node:http";
import { Readable, Transform } from "node:stream";
import { providerProblem } from "#shared/model-provider.js";
import { publish } from "#shared/node/measurements.js";
import type { Database } from "../../db/connection/connect.js";
import { AppError } from "../../errors.js";
import { Answer } from "../../http/answer.js";
import { addressOfRun, isRunAddress } from "../../http/callback-listener.js";
import type { RawRequest } from "../../http/raw-routes.js";
import type { PriceTable } from "../../config/model-prices.js";
import { costOf } from "../../models/prices.js";
import { providerLabel, providerOf, type Provider } from "../../models/providers.js";
import { ProviderError, type ProviderClient } from "../../models/provider-client.js";
import { askForUsage } from "../../models/stream-options.js";
import type { Report } from "../../models/token-usage.js";
import { createUsageMeter, type UsageMeter } from "../../models/usage-meter.js";
import type { RunKeyring, RunOfToken } from "../runs/index.js";
import { decryptValue } from "../secrets/index.js";
import { budgetProblem } from "./budget.js";
import { readTerms, type CallTerms } from "./models.queries.js";
import type { UsageRecorder } from "./usage-recorder.js";

export interface ModelDeps {
  db: Database;
  /** The installation's secret. */
  secret: string;
  runTokens: RunKeyring;
  client: ProviderClient;
  prices: PriceTable;
  recorder: UsageRecorder;
  /** Answers that have not ended. */
  open: Set<IncomingMessage>;
  /** Calls under way by run. */
  calls: Map<string, number>;
}

/** Maximum calls of a run at once. */
export const MAX_CALLS = 200;
/** Maximum size of a request; providers take 32 to 50 MB. */
export const MAX_REQUEST_BYTES = 64 * 1024 * 1024;
/** Maximum size of a streamed chat completion's request, which is read to ask for its tokens. */
export const MAX_READ_REQUEST_BYTES = 16 * 1024 * 1024;
/** Maximum size of an error that is read to keep the key out of it. */
const MAX_ERROR_BYTES = 256 * 1024;

/** An error in the provider's own form. */
class CallError extends Error {
  override readonly name = "CallError";
  readonly status: number;
  readonly code: string;
  readonly headers: Record<string, string>;
  constructor(status: number, code: string, message: string, headers = {}) {
    super(message);
    this.status = status;
    this.code = code;
    this.headers = headers;
  }
}

/** Forwards a request to `/models/{provider}/…`. Errors have the provider's form. */
export async function callModel(deps: ModelDeps, request: RawRequest): Promise<Answer<unknown>> {
  const name = request.params["provider"] ?? "";
  const provider = providerOf(providerProblem(name) === null ? name : "unknown");
  try {
    return await forward(deps, request, provider);
  } catch (error) {
    const { status, code, message, headers } = callErrorOf(error, request);
    const body = JSON.stringify(provider.errorBody(status, code, message));
    return new Answer(body, {
      status,
      headers: {
        "content-type": "application/json",
        "cache-control": "no-store",
        // The rest of the request stays unread.
        ...(request.raw.complete ? {} : { connection: "close" }),
        ...headers,
      },
    });
  }
}

function callErrorOf(error: unknown, { log }: RawRequest): CallError {
  if (error instanceof CallError) return error;
  if (error instanceof ProviderError) {
    log.warn({ err: error }, "a model call failed");
    return error.isTimeout
      ? new CallError(504, "provider_timeout", error.message)
      : new CallError(502, "provider_unreachable", error.message);
  }
  if (error instanceof AppError) return new CallError(error.status, error.code, error.message);
  log.error({ err: error }, "a model call failed");
  return new CallError(500, "internal_error", "The call failed; the server's log has the cause.");
}

async function forward(
  deps: ModelDeps,
  request: RawRequest,
  provider: Provider,
): Promise<Answer<unknown>> {
  const path = pathBehindVersion(request.params["*"] ?? "", provider);
  const { token, header } = tokenOf(request.headers);
  const run = await deps.runTokens.runOf(token);
  // The listener of a run takes its own token only.
  if (isRunAddress(request.ip) && request.ip !== addressOfRun(run.id)) {
    throw new CallError(401, "invalid_token", "This token belongs to another run.");
  }
  const terms = await deps.db.read(run.orgId, (tx) => readTerms(tx, run.agentId, provider.name));
  const key = keyOf(deps, provider, terms);
  const exceeded = budgetProblem(key.terms);
  if (exceeded !== null) {
    const headers = { "retry-after": String(key.terms.month_seconds) };
    throw new CallError(429, "budget_exceeded", exceeded, headers);
  }
  const release = reserve(deps, run.id);
  try {
    const { body, dropsUsage } = await bodyOf(request, path);
    const query = request.raw.url?.split("?", 2)[1];
    const answer = await deps.client.send({
      url: new URL(`${key.baseUrl}${path}${query === undefined ? "" : `?${query}`}`),
      method: request.raw.method ?? "GET",
      headers: sentHeaders(request.headers, {
        header: provider.keyHeader ?? header,
        key: key.value,
        length: Buffer.isBuffer(body) ? body.length : null,
      }),
      body,
    });
    const record = (report: Report | null) => recordCall(deps, run, provider, key.terms, report);
    return await answerWith(deps, answer, { key: key.value, dropsUsage, record, release });
  } catch (error) {
    release();
    throw error;
  }
}

const VERSION = "v1";
/** What a path may consist of; nothing that a provider may decode to another path. */
const SEGMENT = /^[\w.:@~-]+$/;

/**
 * Returns the path behind the version, with its slash.
 * @throws CallError 404 for another path
 */
function pathBehindVersion(path: string, provider: Provider): string {
  const [version, ...segments] = path.split("/");
  const isValid =
    provider.name !== "unknown" &&
    version === VERSION &&
    segments.length > 0 &&
    segments.every((segment) => SEGMENT.test(segment) && !/^\.+$/.test(segment));
  if (isValid) return `/${segments.join("/")}`;
  throw new CallError(
    404,
    "not_found",
    `Only addresses below /models/<provider>/${VERSION}/ exist.`,
  );
}

/** @throws CallError 401 without a run's token */
function tokenOf(headers: IncomingHttpHeaders): {
  token: string;
  header: "authorization" | "x-api-key";
} {
  const own = headers["x-api-key"];
  if (typeof own === "string") return { token: own, header: "x-api-key" };
  const [, token] = /^Bearer ([\x21-\x7e]{1,2048})$/i.exec(headers.authorization ?? "") ?? [];
  if (token !== undefined) return { token, header: "authorization" };
  throw new CallError(401, "unauthenticated", "Send OMOI_TOKEN as the API key.");
}

interface Key {
  value: string;
  baseUrl: string;
  terms: CallTerms;
}

/** @throws CallError 404 without a secret, 503 if it cannot be decrypted */
function keyOf({ secret }: ModelDeps, { name, baseUrl }: Provider, terms?: CallTerms): Key {
  const stored = terms?.secret;
  const address = stored?.base_url ?? baseUrl;
  if (!terms || !stored || address === null) {
    throw new CallError(
      404,
      "no_model_secret",
      `Neither the project nor its organization has a secret for the provider ${name}.`,
    );
  }
  const value = decryptValue(secret, stored, stored.sealed);
  if (value === null) {
    const detail = `The secret ${stored.name} was encrypted with another OMOI_SECRET; set it again.`;
    throw new CallError(503, "unavailable", detail);
  }
  return { value, baseUrl: address.replace(/\/+$/, ""), terms };
}

/** @throws CallError 429 */
function reserve({ calls }: ModelDeps, runId: string): () => void {
  const before = calls.get(runId) ?? 0;
  if (before >= MAX_CALLS) {
    const detail = `A run has at most ${MAX_CALLS} calls at once; wait for one to end.`;
    throw new CallError(429, "too_many_calls", detail, { "retry-after": "1" });
  }
  calls.set(runId, before + 1);
  let isReleased = false;
  return () => {
    if (isReleased) return;
    isReleased = true;
    const left = (calls.get(runId) ?? 1) - 1;
    if (left > 0) calls.set(runId, left);
    else calls.delete(runId);
  };
}

interface SentBody {
  body: Readable | Buffer | null;
  /** Whether the answer's report was asked for by the server. */
  dropsUsage: boolean;
}

/** @throws CallError 413 */
async function bodyOf(request: RawRequest, path: string): Promise<SentBody> {
  const { body, raw } = request;
  if (!(body instanceof Readable)) return { body: null, dropsUsage: false };
  const isRead = raw.method === "POST" && path === "/chat/completions";
  const limit = isRead ? MAX_READ_REQUEST_BYTES : MAX_REQUEST_BYTES;
  const tooLarge = (): CallError =>
    new CallError(413, "payload_too_large", `A request has at most ${limit / 2 ** 20} MiB.`);
  if (Number(request.headers["content-length"] ?? 0) > limit) throw tooLarge();
  let bytes = 0;
  const counted = new Transform({
    transform: (chunk: Buffer, _encoding, done) => {
      bytes += chunk.length;
      if (bytes > limit) done(tooLarge());
      else done(null, chunk);
    },
  });
  body.once("error", (error) => counted.destroy(error));
  body.once("close", () => {
    if (!body.readableEnded)
      counted.destroy(new CallError(400, "aborted", "The request ended early."));
  });
  body.pipe(counted);
  if (!isRead) return { body: counted, dropsUsage: false };
  const chunks: Buffer[] = [];
  for await (const chunk of counted) chunks.push(chunk as Buffer);
  const asked = askForUsage(Buffer.concat(chunks));
  return { body: asked.body, dropsUsage: asked.isAdded };
}

/** Not forwarded: of the connection to this server, of its credentials, or decided anew. */
const ownHeaders = new Set([
  "accept-encoding",
  "authorization",
  "connection",
  "content-length",
  "cookie",
  "expect",
  "forwarded",
  "host",
  "keep-alive",
  "origin",
  "proxy-authorization",
  "proxy-connection",
  "referer",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "via",
  "x-api-key",
  "x-real-ip",
]);

function sentHeaders(
  given: IncomingHttpHeaders,
  { header, key, length }: { header: string; key: string; length: number | null },
): Record<string, string | string[]> {
  const kept = Object.entries(given).flatMap(([name, value]) =>
    value === undefined || ownHeaders.has(name) || name.startsWith("x-forwarded-")
      ? []
      : [[name, value] as const],
  );
  const own = length ?? given["content-length"];
  return {
    ...Object.fromEntries(kept),
    // The answer is read, so it must not be compressed.
    "accept-encoding": "identity",
    [header]: header === "authorization" ? `Bearer ${key}` : key,
    ...(own !== undefined && { "content-length": String(own) }),
  };
}

interface Passing {
  key: string;
  dropsUsage: boolean;
  record(report: Report | null): Promise<void>;
  release(): void;
}

/**
 * Passes the provider's answer on. What it reports is recorded before its end, also if the client leaves
 * early: the rest is then read without it.
 * @throws ProviderError for an answer that cannot be passed
 */
async function answerWith(
  { open }: ModelDeps,
  answer: IncomingMessage,
  { key, dropsUsage, record, release }: Passing,
): Promise<Answer<unknown>> {
  const status = answer.statusCode ?? 502;
  const encoding = answer.headers["content-encoding"] ?? "identity";
  if ((status >= 300 && status < 400) || encoding !== "identity") {
    answer.destroy();
    throw new ProviderError(
      encoding === "identity"
        ? `The provider answered with a redirect (${status}); check the secret's address.`
        : `The provider answered with the encoding ${encoding}, which was not asked for.`,
    );
  }
  const headers = keptHeaders(answer.headers, key);
  if (status >= 400) {
    const text = await readError(answer);
    release();
    return new Answer(text.replaceAll(key, "***"), { status, headers });
  }
  open.add(answer);
  const meter = createUsageMeter(answer.headers["content-type"] ?? "", dropsUsage);
  const body = passOn(answer, meter, async (report) => {
    open.delete(answer);
    release();
    await record(report);
  });
  return new Answer(body, { status, headers: { ...headers, "cache-control": "no-store" } });
}

/** Headers of the provider's connection and site. */
const droppedHeaders =
  /^(?:connection|keep-alive|proxy-.*|te|trailer|transfer-encoding|upgrade|content-length|content-encoding|set-cookie|strict-transport-security|content-security-policy.*|alt-svc|report-to|nel|server|access-control-.*|location|link)$/;

function keptHeaders(given: IncomingHttpHeaders, key: string): Record<string, string> {
  const kept = Object.entries(given).flatMap(([name, value]) =>
    typeof value !== "string" || droppedHeaders.test(name) || value.includes(key)
      ? []
      : [[name, value] as const],
  );
  return { ...Object.fromEntries(kept), "x-accel-buffering": "no" };
}

async function readError(answer: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of answer as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > MAX_ERROR_BYTES) break;
      chunks.push(chunk);
    }
  } catch (error) {
    throw error instanceof ProviderError
      ? error
      : new ProviderError("The provider ended its answer early.");
  }
  return Buffer.concat(chunks).toString();
}

/** @param ended called once with the report, before the stream ends or fails */
function passOn(
  answer: IncomingMessage,
  meter: UsageMeter,
  ended: (report: Report | null) => Promise<void>,
): Readable {
  let isOver = false;
  let hasClient = true;
  const body = new Readable({
    read: () => {
      answer.resume();
    },
    destroy: (error, done) => {
      hasClient = false;
      // The provider reports the tokens at the end.
      answer.resume();
      done(error);
    },
  });
  const pass = (bytes: Buffer): void => {
    if (hasClient && bytes.length > 0 && !body.push(bytes)) answer.pause();
  };
  const finish = (error: Error | null): void => {
    if (isOver) return;
    isOver = true;
    const { rest, report } = meter.end();
    if (error === null) pass(rest);
    void ended(report).then(() => {
      if (!hasClient) return;
      if (error === null) body.push(null);
      else body.destroy(error);
    });
  };
  answer.on("data", (chunk: Buffer) => pass(meter.write(chunk)));
  answer.once("end", () => finish(null));
  answer.once("error", finish);
  answer.once("close", () => {
    if (!answer.complete) finish(new ProviderError("The provider ended its answer early."));
  });
  answer.pause();
  return body;
}

async function recordCall(
  { prices, recorder }: ModelDeps,
  { id, agentId, orgId }: RunOfToken,
  provider: Provider,
  { project_id }: CallTerms,
  report: Report | null,
): Promise<void> {
  if (report === null) return;
  const none = { input_tokens: 0, output_tokens: 0, cache_read_tokens: 0, cache_write_tokens: 0 };
  const usage = { ...none, ...report.usage };
  // PostgreSQL stores no NUL.
  const model = (report.model ?? "unknown").replaceAll(/[\u0000-\u001f\u007f]/g, "?");
  publish("modelCall", { provider: providerLabel(provider.name), ...usage });
  await recorder.add(orgId, {
    run_id: id,
    agent_id: agentId,
    project_id,
    provider: provider.name,
    model,
    ...usage,
    cost_nanousd: costOf(prices, model, usage),
  });
}
