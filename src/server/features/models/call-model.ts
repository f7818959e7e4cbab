/** Calls of runs to model providers, with the provider's key in place of the run's token. */
import { providerProblem } from "#shared/model-provider.js";
import { publish } from "#shared/node/measurements.js";
import type { PriceTable } from "../../config/model-prices.js";
import type { Database } from "../../db/connection/connect.js";
import { Answer } from "../../http/answer.js";
import { addressOfRun, hasListener, isRunAddress } from "../../http/callback-listener.js";
import type { RawRequest } from "../../http/raw-routes.js";
import type { HeldBytes } from "../../models/held-bytes.js";
import { costOf } from "../../models/prices.js";
import type { ProviderClient } from "../../models/provider-client.js";
import { providerLabel, providerOf, type Provider } from "../../models/providers.js";
import type { Report } from "../../models/token-usage.js";
import { createUsageMeter } from "../../models/usage-meter.js";
import type { RunKeyring, RunOfToken } from "../runs/index.js";
import { decryptValue } from "../secrets/index.js";
import { budgetProblem } from "./budget.js";
import { CallError, callErrorOf } from "./call-error.js";
import { bodyOf, pathOfCall, queryOf, sentHeaders, tokenOf } from "./call-request.js";
import { readTerms, type CallTerms } from "./models.queries.js";
import { keptHeaders, passBody, passError, requirePassable } from "./pass-answer.js";
import type { UsageRecorder } from "./usage-recorder.js";

export interface ModelDeps {
  db: Database;
  /** The installation's secret. */
  secret: string;
  runTokens: RunKeyring;
  client: ProviderClient;
  prices: PriceTable;
  recorder: UsageRecorder;
  held: HeldBytes;
  /** Calls under way by run. */
  calls: Map<string, Set<AbortController>>;
  /** Whether the server is stopping. */
  isClosing: () => boolean;
}

/** Maximum calls of a run at once. */
export const MAX_CALLS = 200;

/** Forwards a request to `/models/{provider}/…`. Errors have the provider's form. */
export async function callModel(deps: ModelDeps, request: RawRequest): Promise<Answer<unknown>> {
  const { raw } = request;
  const name = request.params["provider"] ?? "";
  const isProvider = providerProblem(name) === null;
  const provider = providerOf(isProvider ? name : "unknown");
  let answer: Answer<unknown>;
  try {
    if (!isProvider) throw new CallError(404, "not_found", "This is no name of a provider.");
    answer = await forward(deps, request, provider);
  } catch (error) {
    const { status, code, message, headers } = callErrorOf(error, request.log);
    const body = JSON.stringify(provider.errorBody(status, code, message));
    const type = { "content-type": "application/json", "cache-control": "no-store" };
    answer = new Answer(body, { status, headers: { ...type, ...headers } });
  }
  const { status, headers } = answer.head;
  // The rest of the request would be taken for the next one.
  const isRead = raw.complete || raw.method === "GET" || raw.method === "HEAD";
  return new Answer(answer.body, {
    ...(status !== undefined && { status }),
    headers: { ...headers, ...(!isRead && { connection: "close" }) },
  });
}

async function forward(
  deps: ModelDeps,
  request: RawRequest,
  provider: Provider,
): Promise<Answer<unknown>> {
  const { raw } = request;
  const method = raw.method ?? "GET";
  const path = pathOfCall(request.params["*"] ?? "", method, provider);
  const { token, header } = tokenOf(request.headers);
  const query = queryOf(request, token);
  const run = await deps.runTokens.runOf(token);
  requireOwnAddress(request.ip, run.id);
  const call = reserve(deps, run.id);
  try {
    const terms = await deps.db.read(run.orgId, (tx) => readTerms(tx, run.agentId, provider.name));
    const key = keyOf(deps, provider, terms);
    requireBudget(key.terms);
    const { body, isUsageAdded, release } = await bodyOf(request, path, provider, deps.held);
    const answer = await deps.client
      .send({
        url: new URL(`${key.baseUrl}${path}${query}`),
        method,
        headers: sentHeaders(request.headers, {
          header: provider.keyHeader ?? header,
          key: key.value,
          token,
          body,
        }),
        body,
        signal: call.signal,
      })
      .finally(release);
    try {
      requirePassable(answer);
    } catch (error) {
      answer.destroy();
      throw error;
    }
    const status = answer.statusCode ?? 502;
    if (status >= 400) {
      const error = await passError(answer, key.value);
      call.end();
      return error;
    }
    const type = answer.headers["content-type"] ?? "";
    const meter = createUsageMeter({ type, dropsUsage: isUsageAdded, held: deps.held });
    const counts = method === "POST" && !path.endsWith("/count_tokens");
    const passed = passBody(answer, meter, async (report) => {
      call.end();
      if (counts) await recordCall(deps, run, provider, key.terms, report);
    });
    return new Answer(passed, { status, headers: keptHeaders(answer.headers, key.value) });
  } catch (error) {
    call.end();
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

/** @throws CallError 429 */
function requireBudget(terms: CallTerms): void {
  const exceeded = budgetProblem(terms);
  if (exceeded === null) return;
  throw new CallError(429, "budget_exceeded", exceeded, {
    "retry-after": String(terms.month_seconds),
    // The clients of both providers otherwise try again.
    "x-should-retry": "false",
  });
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
  /** May be called several times. */
  end(this: void): void;
}

/** @throws CallError 429; 503 while the server is stopping */
function reserve({ calls, isClosing }: ModelDeps, runId: string): Call {
  if (isClosing()) throw new CallError(503, "unavailable", "The server is stopping; try again.");
  const own = calls.get(runId) ?? new Set();
  if (own.size >= MAX_CALLS) {
    const detail = `A run has at most ${MAX_CALLS} calls at once; wait for one to end.`;
    throw new CallError(429, "too_many_calls", detail, { "retry-after": "1" });
  }
  const call = new AbortController();
  calls.set(runId, own.add(call));
  return {
    signal: call.signal,
    end: () => {
      own.delete(call);
      if (own.size === 0 && calls.get(runId) === own) calls.delete(runId);
    },
  };
}

async function recordCall(
  { prices, recorder }: ModelDeps,
  { id, agentId, orgId }: RunOfToken,
  provider: Provider,
  { project_id }: CallTerms,
  report: Report | null,
): Promise<void> {
  const none = { input_tokens: 0, output_tokens: 0, cache_read_tokens: 0, cache_write_tokens: 0 };
  const usage = { ...none, ...report?.usage };
  const model = report?.model ?? "unknown";
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
