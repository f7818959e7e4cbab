/** The most that a call may use, as far as its request tells. */
import { isRecord } from "./json.js";
import { membersOf, type Members } from "./request-members.js";

/** An upper bound of the tokens of a call. */
export interface CallEstimate {
  /** All that the request names: one, and those that the provider may take instead. */
  models: readonly string[];
  prompt_tokens: number;
  output_tokens: number;
}

/** The largest prompt and answer of the providers' models. */
export const MAX_PROMPT_TOKENS = 1_000_000;
export const MAX_OUTPUT_TOKENS = 128_000;
/** The most answers to one prompt that providers give. */
const MAX_CHOICES = 128;

export const largestCall: CallEstimate = {
  models: [],
  prompt_tokens: MAX_PROMPT_TOKENS,
  output_tokens: MAX_OUTPUT_TOKENS,
};

/**
 * Returns an upper bound: a token is at least a byte of the request. A prompt whose content is elsewhere, such as
 * earlier responses, files and what the provider's own tools find, may be the largest.
 * @param bytes of the request
 * @param path behind the version
 */
export function estimateOf(request: Members, bytes: number, path: string): CallEstimate {
  const { n, best_of, prompt } = request;
  const prompts = path === "/completions" && Array.isArray(prompt) ? prompt.length : 1;
  const choices = Math.max(positive(n) ?? 1, positive(best_of) ?? 1) * prompts;
  const names = path.startsWith("/responses")
    ? ["max_output_tokens"]
    : ["max_tokens", "max_completion_tokens"];
  const limits = names.flatMap((name) => positive(request[name]) ?? []);
  const output =
    limits.length === 0 ? MAX_OUTPUT_TOKENS : Math.min(Math.max(...limits), MAX_OUTPUT_TOKENS);
  return {
    models: modelsOf(request),
    prompt_tokens: refersElsewhere(request)
      ? MAX_PROMPT_TOKENS
      : Math.min(bytes, MAX_PROMPT_TOKENS),
    output_tokens: path === "/embeddings" ? 0 : output * Math.min(choices, MAX_CHOICES),
  };
}

/** Returns the model, those that a router may choose or fall back to, and those of tools. */
function modelsOf({ model, models, fallbacks, tools }: Members): string[] {
  const others = [models, fallbacks, tools].flatMap((list) => (Array.isArray(list) ? list : []));
  const named = others.map((member) => (isRecord(member) ? membersOf(member)["model"] : member));
  return [model, ...named].filter((name) => typeof name === "string");
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
const nested = ["content", "output", "source"];

function refersElsewhere(request: Members): boolean {
  const { prompt, tools } = request;
  const isKept = kept.some((name) => isPresent(request[name])) || isRecord(prompt);
  if (isKept) return true;
  const isByProvider = (tool: unknown): boolean =>
    isRecord(tool) && providerTool.test(String(membersOf(tool)["type"]));
  if (Array.isArray(tools) && tools.some(isByProvider)) return true;
  const left: unknown[] = [request["messages"], request["input"], request["system"]];
  while (left.length > 0) {
    const next = left.pop();
    if (Array.isArray(next)) {
      for (const item of next) if (typeof item === "object") left.push(item);
    } else if (isRecord(next)) {
      const block = membersOf(next);
      if (isReference(block)) return true;
      for (const name of nested) if (typeof block[name] === "object") left.push(block[name]);
    }
  }
  return false;
}

/** Whether a block of a prompt names a file or an address instead of its content. */
function isReference(block: Members): boolean {
  const { type, file_id, file_url, file, image_url } = block;
  const image = isRecord(image_url) ? membersOf(image_url)["url"] : image_url;
  return (
    isPresent(file_id) ||
    isPresent(file_url) ||
    (isRecord(file) && isPresent(membersOf(file)["file_id"])) ||
    (typeof image === "string" && !image.startsWith("data:")) ||
    (type === "url" && isPresent(block["url"])) ||
    type === "item_reference"
  );
}

function isPresent(value: unknown): boolean {
  return value !== undefined && value !== null;
}
