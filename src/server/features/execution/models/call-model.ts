/** Calls of runs to model providers, with the provider's key in place of the run's token. */
import { providerProblem } from "#shared/execution/models/model-provider.js";
import { publish } from "#shared/node/measurements.js";
import type { PriceTable } from "../../../config/model-prices.js";
import type { Database } from "../../../db/connection/connect.js";
import { Answer } from "../../../http/answers/answer.js";
import { addressOfRun, hasListener, isRunAddress } from "../../../http/server/callback-listener.js";
import type { RawRequest } from "../../../http/raw-routes.js";
import { largestCall } from "../../../models/call-estimate.js";
import type { CallRate } from "../../../models/call-rate.js";
import { shareOf, type HeldBytes } from "../../../models/held-bytes.js";
import { createKeyMask } from "../../../models/mask-key.js";
import { budgetCostOf, costOf } from "../../../models/prices.js";
import type { ProviderClient } from "../../../models/provider-client.js";
import { providerLabel, providerOf, type Provider } from "#shared/execution/models/providers.js";
import { noTokens, type Report } from "../../../models/token-usage.js";
import { createUsageMeter } from "../../../models/usage-meter.js";
import type { RunKeyring, RunOfToken } from "../runs/index.js";
import { decryptValue } from "../secrets/index.js";
import { hasCostBudget, requireAllowedModels, requireBudget } from "./budget.js";
import { CallError, callErrorOf } from "./call-error.js";
import {
  bodyOf,
  pathOfCall,
  queryOf,
  sentHeaders,
  tokenOf,
  type KeyHeader,
} from "./call-request.js";
import { readTerms, type CallTerms, type NewReservation } from "./models.queries.js";
import { keptHeaders, passBody, passError, requirePassable } from "./pass-answer.js";
import type { Reservations } from "./reservations.js";
import type { UsageRecorder } from "./usage-recorder.js";

export interface ModelDeps {
  db: Database;
  /** The installation's secret. */
  secret: string;
  runTokens: RunKeyring;
  client: ProviderClient;
  prices: PriceTable;
  reservations: Reservations;
  recorder: UsageRecorder;
  held: HeldBytes;
  rate: CallRate;
  /** Runs with calls under way. */
  runs: Map<string, CallingRun>;
  /** Whether the server is stopping. */
  isClosing: () => boolean;
}

interface CallingRun {
  calls: Set<AbortController>;
  held: HeldBytes;
}

/** Maximum calls of a run at once. */
export const MAX_CALLS = 200;
/** A run's maximum share of the memory for requests and answers that are read. */
const MAX_HELD_BY_RUN = 64 * 1024 * 1024;

/** Forwards a request to `/models/{provider}/…`. Errors have the provider's form. */
export async function callModel(deps: ModelDeps, request: RawRequest): Promise<Answer<unknown>> {
  const { name } = addressOf(request);
  try {
    if (!isProvider(name)) throw new CallError(404, "not_found", "This is no name of a provider.");
    return closeUnread(await forward(deps, request, providerOf(name)), request);
  } catch (error) {
    return answerError(error, request);
  }
}

/** Returns an error in the provider's form. */
export function answerError(error: unknown, request: RawRequest): Answer<unknown> {
  const { name } = addressOf(request);
  const shown = callErrorOf(error, request.log);
  const body = JSON.stringify(providerOf(isProvider(name) ? name : "unknown").errorBody(shown));
  const type = { "content-type": "application/json", "cache-control": "no-store" };
  const { status, headers } = shown;
  return closeUnread(new Answer(body, { status, headers: { ...type, ...headers } }), request);
}

/** Returns the provider's name and what follows it; not decoded where the request matched no route. */
function addressOf({ params, raw }: RawRequest): { name: string; path: string } {
  // Null if the address could not be decoded.
  const given = params as RawRequest["params"] | null;
  if (given?.["provider"] !== undefined) {
    return { name: given["provider"], path: given["*"] ?? "" };
  }
  const [, name = "", path = ""] = /^\/models\/([^/?]*)\/?([^?]*)/.exec(raw.url ?? "") ?? [];
  return { name, path };
}

const isProvider = (name: string): boolean => providerProblem(name) === null;

/** Closes the connection if the rest of the request would be taken for the next one. */
function closeUnread({ body, head }: Answer<unknown>, { raw }: RawRequest): Answer<unknown> {
  const isRead = raw.complete || raw.method === "GET" || raw.method === "HEAD";
  if (isRead) return new Answer(body, head);
  return new Answer(body, { ...head, headers: { ...head.headers, connection: "close" } });
}

async function forward(
  deps: ModelDeps,
  request: RawRequest,
  provider: Provider,
): Promise<Answer<unknown>> {
  const path = pathOfCall(addressOf(request).path, request.raw.method ?? "GET", provider);
  const { token, header } = tokenOf(request.headers);
  const query = queryOf(request, token);
  const run = await deps.runTokens.runOf(token);
  requireOwnAddress(request.ip, run.id);
  const call = begin(deps, run.id);
  try {
    const terms = await deps.db.read(run.orgId, (tx) => readTerms(tx, run.agentId, provider.name));
    const key = keyOf(deps, provider, terms);
    requireBudget(key.terms);
    return await sendOn(deps, request, { run, call, provider, path, query, key, token, header });
  } catch (error) {
    call.end();
    throw error;
  }
}

interface OwnCall {
  run: RunOfToken;
  call: Call;
  provider: Provider;
  /** Behind the version. */
  path: string;
  query: string;
  key: Key;
  token: string;
  header: KeyHeader;
}

async function sendOn(
  deps: ModelDeps,
  request: RawRequest,
  own: OwnCall,
): Promise<Answer<unknown>> {
  const { run, call, provider, path, key } = own;
  const { project_id, budgets, allowed_models } = key.terms;
  const method = request.raw.method ?? "GET";
  const counts = method === "POST" && !path.endsWith("/count_tokens");
  const isEstimated = counts && budgets.length > 0;
  const isRead = isEstimated || (method === "POST" && allowed_models !== null);
  const sent = await bodyOf(request, { path, provider, isRead, held: call.held });
  const estimate = sent.estimate ?? largestCall;
  let reservation: NewReservation | null = null;
  try {
    if (method === "POST") requireAllowedModels(allowed_models, estimate.models);
    if (isEstimated) {
      const of = { projectId: project_id, provider: provider.name };
      reservation = await deps.reservations.make(run, of, estimate);
    }
    const answer = await deps.client.send({
      url: new URL(`${key.baseUrl}${path}${own.query}`),
      method,
      headers: sentHeaders(request.headers, {
        header: provider.keyHeader ?? own.header,
        key: key.value,
        token: own.token,
        body: sent.body,
      }),
      body: sent.body,
      signal: call.signal,
    });
    sent.release();
    try {
      requirePassable(answer);
    } catch (error) {
      answer.destroy();
      throw error;
    }
    const status = answer.statusCode ?? 502;
    if (status >= 400) {
      const error = await passError(answer, key.value);
      if (reservation !== null) await deps.reservations.release(reservation);
      call.end();
      return error;
    }
    const type = answer.headers["content-type"] ?? "";
    const meter = createUsageMeter({ type, dropsUsage: sent.isUsageAdded, held: call.held });
    const mask = createKeyMask(key.value);
    const passed = passBody(answer, { meter, mask }, async (report, isWhole) => {
      call.end();
      if (!counts) return;
      const requested = estimate.models;
      await recordCall(deps, own, { report, isWhole, reservation, requested });
    });
    return new Answer(passed, { status, headers: keptHeaders(answer.headers, key.value) });
  } catch (error) {
    sent.release();
    if (reservation !== null) await deps.reservations.release(reservation);
    throw error;
  }
}

/**
 * A run with a listener of its own calls from there, so that its token is of no use elsewhere.
 * @throws CallError 401
 */
function requireOwnAddress(ip: string, runId: string): void {
  const isExpected = hasListener(runId) || isRunAddress(ip) ? ip === addressOfRun(runId) : true;
  if (!isExpected) throw new CallError(401, "invalid_token", "This token belongs to another run.");
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

interface Call {
  /** Aborts the call when the server stops. */
  signal: AbortSignal;
  /** Of the run. */
  held: HeldBytes;
  /** May be called several times. */
  end(this: void): void;
}

/** @throws CallError 429; 503 while the server is stopping */
function begin({ runs, held, rate, isClosing }: ModelDeps, runId: string): Call {
  if (isClosing()) throw new CallError(503, "unavailable", "The server is stopping; try again.");
  const seconds = rate.take(runId);
  if (seconds !== null) {
    const detail = `The run makes too many calls in a minute; wait ${seconds} s.`;
    throw new CallError(429, "rate_limited", detail, {
      headers: { "retry-after": String(seconds) },
    });
  }
  const own = runs.get(runId) ?? { calls: new Set(), held: shareOf(held, MAX_HELD_BY_RUN) };
  if (own.calls.size >= MAX_CALLS) {
    const detail = `A run has at most ${MAX_CALLS} calls at once; wait for one to end.`;
    throw new CallError(429, "too_many_calls", detail, { headers: { "retry-after": "1" } });
  }
  const call = new AbortController();
  own.calls.add(call);
  runs.set(runId, own);
  return {
    signal: call.signal,
    held: own.held,
    end: () => {
      own.calls.delete(call);
      if (own.calls.size === 0 && runs.get(runId) === own) runs.delete(runId);
    },
  };
}

interface EndedCall {
  report: Report | null;
  /** Whether the answer came to its end. */
  isWhole: boolean;
  reservation: NewReservation | null;
  /** The models of the request. */
  requested: readonly string[];
}

/**
 * Records a call. One whose use is not known counts for its budgets with what was reserved, unless this server's
 * stop has ended it. Under a budget in dollars a model without a price counts for the budgets as the dearest of its
 * provider; its own cost stays unknown.
 */
async function recordCall(
  { prices, recorder, reservations }: ModelDeps,
  { run, call, provider, key }: OwnCall,
  { report, isWhole, reservation, requested }: EndedCall,
): Promise<void> {
  const used = { ...noTokens, ...report?.usage };
  // What is kept longer is a part of what was written.
  const { cache_write_1h_tokens: _, ...usage } = used;
  const model = report?.model ?? "unknown";
  const tokens =
    usage.input_tokens + usage.output_tokens + usage.cache_read_tokens + usage.cache_write_tokens;
  const cost_nanousd = costOf(prices, model, used);
  const counted = hasCostBudget(key.terms)
    ? budgetCostOf(prices, provider.name, { model, requested }, used)
    : cost_nanousd;
  const isKnown = isWhole && Object.keys(report?.usage ?? {}).length > 0;
  const least = isKnown || call.signal.aborted ? null : reservation;
  publish("modelCall", { provider: providerLabel(provider.name), ...usage });
  await recorder.add(run.orgId, {
    run_id: run.id,
    agent_id: run.agentId,
    project_id: key.terms.project_id,
    provider: provider.name,
    model,
    ...usage,
    cost_nanousd,
    spent_tokens: Math.max(tokens, least?.tokens ?? 0),
    spent_nanousd: Math.max(counted ?? 0, least?.cost_nanousd ?? 0),
    reservation_id: reservation?.id ?? null,
  });
  if (reservation !== null) reservations.leave(reservation);
}
