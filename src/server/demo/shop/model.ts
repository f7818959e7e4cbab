import { createServer } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";

/** Bytes of a request that are read. */
const MAX_BYTES = 64 * 1024;

/**
 * Serves the demo's model on a free port of this machine, in the form of chat completions. It answers with the numbers of
 * tokens that the demo's agent asks for, so that Omoi has calls to count.
 * @returns its address for a secret's `base_url`
 */
export async function serveModel(): Promise<string> {
  const server = createServer((request, response) => {
    let body = "";
    request.setEncoding("utf8");
    request.on("data", (text: string) => {
      if (body.length < MAX_BYTES) body += text;
    });
    request.on("end", () => {
      response.setHeader("content-type", "application/json");
      response.end(JSON.stringify(completion(body)));
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  server.unref();
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`;
}

function completion(body: string): object {
  const { tokens, output } = wishesIn(body);
  return {
    id: "demo",
    object: "chat.completion",
    model: "demo-model",
    choices: [
      { index: 0, finish_reason: "stop", message: { role: "assistant", content: "Continue." } },
    ],
    usage: {
      prompt_tokens: tokens,
      completion_tokens: output,
      prompt_tokens_details: { cached_tokens: Math.floor(tokens * 0.8) },
    },
  };
}

/** Reads the numbers of the agent's message. */
function wishesIn(body: string): { tokens: number; output: number } {
  try {
    const { messages } = JSON.parse(body) as { messages: { content: string }[] };
    const wishes = JSON.parse(messages[0]?.content ?? "") as { tokens: number; output: number };
    return { tokens: Math.round(wishes.tokens), output: Math.round(wishes.output) };
  } catch {
    return { tokens: 1000, output: 100 };
  }
}
