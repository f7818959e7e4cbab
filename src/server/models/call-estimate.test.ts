import { describe, expect, test } from "vitest";
import { estimateOf, MAX_OUTPUT_TOKENS, MAX_PROMPT_TOKENS } from "./call-estimate.js";

const outputOf = (request: object, path = "/messages"): number =>
  estimateOf({ ...request }, 1000, path).output_tokens;
const promptOf = (request: object, bytes = 1000): number =>
  estimateOf({ ...request }, bytes, "/messages").prompt_tokens;

describe("the estimated answer", () => {
  test.each([
    [{ max_tokens: 900 }, "/messages", 900],
    [{}, "/messages", MAX_OUTPUT_TOKENS],
    [{ max_tokens: 1e12 }, "/messages", MAX_OUTPUT_TOKENS],
    [{ max_tokens: -5 }, "/messages", MAX_OUTPUT_TOKENS],
    [{ max_tokens: "5" }, "/messages", MAX_OUTPUT_TOKENS],
    [{ max_output_tokens: 50 }, "/responses", 50],
    [{ max_tokens: 50 }, "/responses", MAX_OUTPUT_TOKENS],
    [{ max_tokens: 5, max_completion_tokens: 50 }, "/chat/completions", 50],
    [{ max_completion_tokens: 50, n: 3 }, "/chat/completions", 150],
    [{ max_tokens: 50, best_of: 4, n: 2 }, "/completions", 200],
    [{ max_tokens: 50, prompt: ["a", "b"] }, "/completions", 100],
    [{ max_tokens: 50, n: 1e300 }, "/chat/completions", 50 * 128],
    [{ input: ["a"] }, "/embeddings", 0],
  ])("of %j to %s has at most %i tokens", (request, path, tokens) => {
    expect(outputOf(request, path)).toBe(tokens);
  });
});

describe("the estimated prompt", () => {
  test("has at most a token for each byte, and fits the largest model", () => {
    expect(promptOf({ messages: [] }, 1234)).toBe(1234);
    expect(promptOf({ messages: [] }, 30_000_000)).toBe(MAX_PROMPT_TOKENS);
  });

  const inMessage = (block: object) => ({ messages: [{ role: "user", content: [block] }] });
  test.each([
    { previous_response_id: "resp_1" },
    { conversation: "conv_1" },
    { prompt: { id: "pmpt_1" } },
    { mcp_servers: [{}] },
    { tools: [{ name: "Read", input_schema: {} }, { type: "web_search_20250305" }] },
    { tools: [{ type: "code_interpreter" }] },
    inMessage({ type: "document", source: { type: "url", url: "https://a.example/b.pdf" } }),
    inMessage({ type: "document", source: { type: "file", file_id: "file_1" } }),
    inMessage({ type: "image_url", image_url: { url: "https://a.example/a.png" } }),
    inMessage({ type: "file", file: { file_id: "file_1" } }),
    inMessage({ type: "tool_result", content: [{ source: { type: "url", url: "https://a" } }] }),
    { input: [{ role: "user", content: [{ type: "input_file", file_url: "https://a.example" }] }] },
    { input: [{ type: "item_reference", id: "msg_1" }] },
  ])("of %j may be the largest", (request) => {
    expect(promptOf(request)).toBe(MAX_PROMPT_TOKENS);
  });

  test.each([
    { previous_response_id: null, conversation: null },
    { prompt: "text" },
    { tools: [{ name: "WebFetch", input_schema: { properties: { url: {}, file_id: {} } } }] },
    {
      tools: [
        { type: "function", name: "mcp" },
        { type: "bash_20250124", name: "bash" },
      ],
    },
    inMessage({ type: "tool_use", input: { url: "https://a.example" } }),
    inMessage({ type: "image", source: { type: "base64", data: "aaaa" } }),
    inMessage({ type: "image_url", image_url: { url: "data:image/png;base64,aaaa" } }),
    { messages: [null, [null], 5], input: null },
  ])("of %j is what the request has", (request) => {
    expect(promptOf(request)).toBe(1000);
  });
});
