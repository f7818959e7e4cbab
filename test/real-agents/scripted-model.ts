/**
 * A model server that follows a script, in Anthropic's format: it asks for one shell command, then ends
 * with a message. The agents are the real ones; only the model's decisions are scripted.
 */
import type { ServerResponse } from "node:http";
import {
  answerJson,
  beginStream,
  event,
  startModelServer,
  type ModelServer,
} from "../support/models/model-server.js";

interface Script {
  /** The command that the model runs with the agent's shell tool. */
  command: string;
  /** The agent's final message. */
  message: string;
}

/** The tokens that the server reported, to compare with the counted ones. */
export interface Reported {
  input_tokens: number;
  output_tokens: number;
  cache_read_tokens: number;
  cache_write_tokens: number;
  requests: number;
}

export interface ScriptedModel extends ModelServer {
  reported: Reported;
}

interface AskedMessage {
  model: string;
  stream?: boolean;
  tools?: { name: string }[];
  messages: { role: string; content: string | { type: string }[] }[];
}

export async function startScriptedModel({ command, message }: Script): Promise<ScriptedModel> {
  const server = await startModelServer();
  const reported: Reported = {
    input_tokens: 0,
    output_tokens: 0,
    cache_read_tokens: 0,
    cache_write_tokens: 0,
    requests: 0,
  };
  server.respond((response, call) => {
    if (!call.path.startsWith("/v1/messages") || call.path.includes("count_tokens")) {
      answerJson(response, { input_tokens: 1, data: [] });
      return;
    }
    const asked = JSON.parse(call.body) as AskedMessage;
    const shell = asked.tools?.find(({ name }) => /^bash$/i.test(name))?.name;
    const answered = asked.messages.some(
      ({ content }) => Array.isArray(content) && content.some(({ type }) => type === "tool_result"),
    );
    const usage = {
      input_tokens: 100 + reported.requests,
      cache_read_input_tokens: 1000,
      cache_creation_input_tokens: 10,
      output_tokens: 20 + reported.requests,
    };
    reported.input_tokens += usage.input_tokens;
    reported.output_tokens += usage.output_tokens;
    reported.cache_read_tokens += usage.cache_read_input_tokens;
    reported.cache_write_tokens += usage.cache_creation_input_tokens;
    reported.requests += 1;
    const block: Block =
      shell !== undefined && !answered
        ? { type: "tool_use", id: "toolu_1", name: shell, input: { command, description: "Work" } }
        : { type: "text", text: shell === undefined ? "A title" : message };
    answer(response, asked, block, usage);
  });
  return { ...server, reported };
}

type Block =
  | { type: "text"; text: string }
  | { type: "tool_use"; id: string; name: string; input: object };

/** Answers with one block, streamed if asked. */
function answer(
  response: ServerResponse,
  { model, stream }: AskedMessage,
  block: Block,
  usage: Record<string, number>,
): void {
  const stop_reason = block.type === "text" ? "end_turn" : "tool_use";
  const whole = { id: "msg_1", type: "message", role: "assistant", model, stop_sequence: null };
  if (stream !== true) {
    answerJson(response, { ...whole, content: [block], stop_reason, usage });
    return;
  }
  beginStream(response);
  const send = (type: string, data: object): void => {
    response.write(event({ type, ...data }, type));
  };
  const begun = { ...usage, output_tokens: 1 };
  send("message_start", { message: { ...whole, content: [], stop_reason: null, usage: begun } });
  const empty = block.type === "text" ? { ...block, text: "" } : { ...block, input: {} };
  const delta =
    block.type === "text"
      ? { type: "text_delta", text: block.text }
      : { type: "input_json_delta", partial_json: JSON.stringify(block.input) };
  send("content_block_start", { index: 0, content_block: empty });
  send("content_block_delta", { index: 0, delta });
  send("content_block_stop", { index: 0 });
  send("message_delta", {
    delta: { stop_reason, stop_sequence: null },
    usage: { output_tokens: usage["output_tokens"] },
  });
  send("message_stop", {});
  response.end();
}
