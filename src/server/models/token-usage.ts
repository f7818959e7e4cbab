/** The tokens that a provider reports in its answers. */
import { isRecord } from "./json.js";

/** Input tokens are those that were neither read from a cache nor written to one. */
export interface TokenUsage {
  input_tokens: number;
  output_tokens: number;
  cache_read_tokens: number;
  cache_write_tokens: number;
  /** Those written tokens that are kept for an hour. */
  cache_write_1h_tokens: number;
}

export const noTokens: TokenUsage = {
  input_tokens: 0,
  output_tokens: 0,
  cache_read_tokens: 0,
  cache_write_tokens: 0,
  cache_write_1h_tokens: 0,
};

/** What an answer or a part of it reports. Later parts of a stream replace the figures they repeat. */
export interface Report {
  model: string | null;
  usage: Partial<TokenUsage>;
}

/**
 * Reads what a JSON answer or an event of a stream reports: Anthropic's messages and their events
 * `message_start` and `message_delta`, OpenAI's responses and their final events, and chat completions.
 * Returns null if it reports nothing.
 */
export function readReport(json: unknown): Report | null {
  if (!isRecord(json)) return null;
  // Events contain the message or the response.
  const inner = [json["message"], json["response"]].find(isRecord);
  const source = inner ?? json;
  const reported = isRecord(source["usage"]) ? source["usage"] : json["usage"];
  const model = typeof source["model"] === "string" ? nameOf(source["model"]) : null;
  const usage = isRecord(reported) ? usageIn(reported) : {};
  return model === null && Object.keys(usage).length === 0 ? null : { model, usage };
}

/** Returns a model's name as text that PostgreSQL and JSON hold. */
function nameOf(model: string): string {
  return model.slice(0, 200).replaceAll(/[\p{Surrogate}\p{Cc}]/gu, "?");
}

function usageIn(reported: Record<string, unknown>): Partial<TokenUsage> {
  const prompt = count(reported["prompt_tokens"]);
  if (prompt !== undefined) {
    return defined({
      ...partsOf(prompt, reported["prompt_tokens_details"]),
      output_tokens: count(reported["completion_tokens"]),
    });
  }
  const input = count(reported["input_tokens"]);
  const output_tokens = count(reported["output_tokens"]);
  // OpenAI's input includes what was read from the cache and written to it, Anthropic's does not.
  const details = reported["input_tokens_details"];
  if (isRecord(details)) return defined({ ...partsOf(input, details), output_tokens });
  const written = reported["cache_creation"];
  return defined({
    input_tokens: input,
    cache_read_tokens: count(reported["cache_read_input_tokens"]),
    cache_write_tokens: count(reported["cache_creation_input_tokens"]),
    cache_write_1h_tokens: isRecord(written)
      ? count(written["ephemeral_1h_input_tokens"])
      : undefined,
    output_tokens,
  });
}

/** Returns the parts of OpenAI's input. */
function partsOf(
  input: number | undefined,
  details: unknown,
): Record<"input_tokens" | "cache_read_tokens" | "cache_write_tokens", number | undefined> {
  const read = (isRecord(details) ? count(details["cached_tokens"]) : undefined) ?? 0;
  const written = (isRecord(details) ? count(details["cache_write_tokens"]) : undefined) ?? 0;
  return {
    input_tokens: input === undefined ? undefined : Math.max(input - read - written, 0),
    cache_read_tokens: read,
    cache_write_tokens: written,
  };
}

/** A billion tokens are more than any call uses. */
const MAX_COUNT = 1e9;

function count(value: unknown): number | undefined {
  if (typeof value !== "number" || !Number.isInteger(value) || value < 0) return undefined;
  return Math.min(value, MAX_COUNT);
}

function defined(usage: {
  [Kind in keyof TokenUsage]?: number | undefined;
}): Partial<TokenUsage> {
  return Object.fromEntries(Object.entries(usage).filter(([, value]) => value !== undefined));
}
