/** The most that a call may use, as far as its request tells. */
import { isRecord } from "./json.js";

/** An upper bound of the tokens of a call. */
export interface CallEstimate {
  model: string;
  prompt_tokens: number;
  output_tokens: number;
}

/** The largest prompt and answer of the providers' models. */
export const MAX_PROMPT_TOKENS = 1_000_000;
export const MAX_OUTPUT_TOKENS = 128_000;
/** The most answers to one prompt that providers give. */
const MAX_CHOICES = 128;

export const largestCall: CallEstimate = {
  model: "unknown",
  prompt_tokens: MAX_PROMPT_TOKENS,
  output_tokens: MAX_OUTPUT_TOKENS,
};

/**
 * Returns an upper bound: a token is at least a byte of the request. A prompt whose content is elsewhere, such as
 * earlier responses, files and what the provider's own tools find, may be the largest.
 * @param bytes of the request
 * @param path behind the version
 */
export function estimateOf(
  request: Readonly<Record<string, unknown>>,
  bytes: number,
  path: string,
): CallEstimate {
  const { model, n, best_of, prompt } = request;
  const prompts = path === "/completions" && Array.isArray(prompt) ? prompt.length : 1;
  const choices = Math.max(positive(n) ?? 1, positive(best_of) ?? 1) * prompts;
  const names = path.startsWith("/responses")
    ? ["max_output_tokens"]
    : ["max_tokens", "max_completion_tokens"];
  const limits = names.flatMap((name) => positive(request[name]) ?? []);
  const output =
    limits.length === 0 ? MAX_OUTPUT_TOKENS : Math.min(Math.max(...limits), MAX_OUTPUT_TOKENS);
  return {
    model: typeof model === "string" ? model : "unknown",
    prompt_tokens: refersElsewhere(request)
      ? MAX_PROMPT_TOKENS
      : Math.min(bytes, MAX_PROMPT_TOKENS),
    output_tokens: path === "/embeddings" ? 0 : output * Math.min(choices, MAX_CHOICES),
  };
}

function positive(value: unknown): number | undefined {
  return typeof value === "number" && value >= 1 ? Math.ceil(value) : undefined;
}

/** Fields of a request with content that the provider keeps or fetches. */
const kept = ["previous_response_id", "conversation", "container", "mcp_servers"];
/** Tools that the provider runs, whose results become a part of the prompt. */
const providerTool =
  /^(?:web_search|web_fetch|code_execution|code_interpreter|file_search|mcp|image_generation)/;
/** Fields that contain the blocks of a prompt. */
const nested = ["messages", "input", "content", "system", "output", "source"];

function refersElsewhere(request: Readonly<Record<string, unknown>>): boolean {
  const { prompt, tools } = request;
  const isKept = kept.some((name) => isPresent(request[name])) || isRecord(prompt);
  if (isKept) return true;
  const isByProvider = (tool: unknown): boolean =>
    isRecord(tool) && typeof tool["type"] === "string" && providerTool.test(tool["type"]);
  if (Array.isArray(tools) && tools.some(isByProvider)) return true;
  const left: unknown[] = [request];
  for (let next = left.pop(); next !== undefined; next = left.pop()) {
    if (Array.isArray(next)) for (const item of next) left.push(item ?? []);
    else if (isRecord(next)) {
      if (isReference(next)) return true;
      for (const name of nested) if (isPresent(next[name])) left.push(next[name]);
    }
  }
  return false;
}

/** Whether a block of a prompt names a file or an address instead of its content. */
function isReference(block: Readonly<Record<string, unknown>>): boolean {
  const { type, file_id, file_url, file, image_url } = block;
  const image = isRecord(image_url) ? image_url["url"] : image_url;
  return (
    isPresent(file_id) ||
    isPresent(file_url) ||
    (isRecord(file) && isPresent(file["file_id"])) ||
    (typeof image === "string" && !image.startsWith("data:")) ||
    (type === "url" && isPresent(block["url"])) ||
    type === "item_reference"
  );
}

function isPresent(value: unknown): boolean {
  return value !== undefined && value !== null;
}
