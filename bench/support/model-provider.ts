import { fork } from "node:child_process";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { beginStream, event, startModelServer } from "#test/support/models/model-server.js";

/** A process with a model provider in Anthropic's format, whose streams follow a clock. */

export interface ModelProvider {
  /** Address with the version, for a secret's `base_url`. */
  url: string;
  stop(): void;
}

/** The body of a request; `prompt` only adds bytes. */
export interface ModelRequest {
  model: string;
  stream: true;
  /** Events with text, `gapMs` apart. */
  max_tokens: number;
  gapMs: number;
  prompt: string;
}

const file = fileURLToPath(import.meta.url);

export function startModelProvider(): Promise<ModelProvider> {
  return new Promise((resolve, reject) => {
    const child = fork(file, { stdio: ["ignore", "ignore", "inherit", "ipc"] });
    child.once("message", (url) => {
      resolve({ url: url as string, stop: () => child.kill("SIGTERM") });
    });
    child.once("error", reject);
    child.once("exit", (code) => reject(new Error(`the provider ended with ${code}`)));
  });
}

async function serve(): Promise<void> {
  const server = await startModelServer();
  server.respond(async (response, call) => {
    server.calls.length = 0;
    const { model, max_tokens, gapMs } = JSON.parse(call.body) as ModelRequest;
    const send = (type: string, data: object): void => {
      response.write(event({ type, ...data }, type));
    };
    beginStream(response);
    const usage = { input_tokens: 1000, output_tokens: 1 };
    send("message_start", { message: { id: "msg_1", role: "assistant", model, usage } });
    const begin = performance.now();
    for (let number = 0; number < max_tokens; number += 1) {
      // By the clock: late events do not delay the later ones.
      const wait = begin + number * gapMs - performance.now();
      if (wait > 0) await pause(wait);
      // The time shows how long an event took.
      const text = JSON.stringify({ number, sentAt: performance.timeOrigin + performance.now() });
      send("content_block_delta", { index: 0, delta: { type: "text_delta", text } });
    }
    send("message_delta", {
      delta: { stop_reason: "end_turn" },
      usage: { output_tokens: max_tokens },
    });
    send("message_stop", {});
    response.end();
  });
  process.send?.(server.url);
}

if (process.argv[1] === file) await serve();
