/** A model provider whose answers a test sets. It stands in for faults and figures, not for a model. */
import { once } from "node:events";
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type ServerResponse,
} from "node:http";
import type { AddressInfo } from "node:net";

export interface ReceivedCall {
  method: string;
  path: string;
  headers: IncomingHttpHeaders;
  body: string;
}

type Respond = (response: ServerResponse, call: ReceivedCall) => Promise<void> | void;

export interface ModelServer {
  /** Address with the version, for a secret's `base_url`. */
  url: string;
  calls: ReceivedCall[];
  /** Changes the answers from now on. */
  respond(respond: Respond): void;
  /** @throws AggregateError if an answer failed */
  close(): Promise<void>;
}

export async function startModelServer(): Promise<ModelServer> {
  const calls: ReceivedCall[] = [];
  const errors: unknown[] = [];
  let respond: Respond = (response) => answerJson(response, {});
  const server = createServer((request, response) => {
    void read(request).then(async (body) => {
      const { method = "", url: path = "", headers } = request;
      const call = { method, path, headers, body };
      calls.push(call);
      try {
        await respond(response, call);
      } catch (error) {
        errors.push(error);
        // The caller must not wait for an answer that never comes.
        if (!response.headersSent) answerJson(response, { error: String(error) }, 400);
        else response.destroy();
      }
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    calls,
    respond: (next) => {
      respond = next;
    },
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
      if (errors.length > 0) throw new AggregateError(errors, "an answer of the model failed");
    },
  };
}

async function read(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  } catch {
    // The client left.
  }
  return Buffer.concat(chunks).toString();
}

export function answerJson(
  response: ServerResponse,
  body: unknown,
  status = 200,
  headers = {},
): void {
  response.writeHead(status, { "content-type": "application/json", ...headers });
  response.end(JSON.stringify(body));
}

/** Begins a stream of events. */
export function beginStream(response: ServerResponse): void {
  response.writeHead(200, { "content-type": "text/event-stream; charset=utf-8" });
  response.flushHeaders();
}

/** An event of a stream, as Anthropic names it, or without a name as OpenAI's chat completions. */
export const event = (data: object | string, name?: string): string =>
  `${name === undefined ? "" : `event: ${name}\n`}data: ${typeof data === "string" ? data : JSON.stringify(data)}\n\n`;

interface Tokens {
  input: number;
  output: number;
  cacheRead?: number;
  cacheWrite?: number;
}

/** Anthropic's events of a message that says "Hello". */
export function messageEvents(
  model: string,
  { input, output, cacheRead = 0, cacheWrite = 0 }: Tokens,
): string[] {
  const usage = {
    input_tokens: input,
    cache_read_input_tokens: cacheRead,
    cache_creation_input_tokens: cacheWrite,
    output_tokens: 1,
  };
  const delta = { type: "text_delta", text: 'Hello "usage":{"output_tokens":9999}' };
  return [
    event(
      {
        type: "message_start",
        message: { id: "msg_1", model, role: "assistant", content: [], usage },
      },
      "message_start",
    ),
    event({ type: "content_block_delta", index: 0, delta }, "content_block_delta"),
    event(
      {
        type: "message_delta",
        delta: { stop_reason: "end_turn" },
        usage: { output_tokens: output },
      },
      "message_delta",
    ),
    event({ type: "message_stop" }, "message_stop"),
  ];
}
