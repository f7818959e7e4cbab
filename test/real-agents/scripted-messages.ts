/** The scripted model in the format of Anthropic's messages. */
import type { ServerResponse } from "node:http";
import { answerJson, beginStream, event } from "../support/models/model-server.js";
import type { Answer, Step } from "./scripted-model.js";

interface Tool {
  name: string;
  input_schema?: { properties?: Record<string, unknown> };
}

interface AskedMessage {
  model: string;
  stream?: boolean;
  tools?: Tool[];
  messages: { role: string; content: string | { type: string }[] }[];
}

export const answerMessages: Answer = (response, body, { steps, message }, tokens) => {
  const asked = JSON.parse(body) as AskedMessage;
  const done = asked.messages.flatMap(({ content }) =>
    Array.isArray(content) ? content.filter(({ type }) => type === "tool_result") : [],
  );
  const tools = asked.tools ?? [];
  // A call without tools asks for a title or the like.
  const isWork = tools.some(({ name }) => /^bash$/i.test(name));
  const step = isWork ? steps[done.length] : undefined;
  const block: Block =
    step === undefined
      ? { type: "text", text: isWork ? message : "A title" }
      : { type: "tool_use", id: `toolu_${done.length + 1}`, ...toolCallOf(step, tools) };
  send(response, asked, block, {
    input_tokens: tokens.input_tokens,
    cache_read_input_tokens: tokens.cache_read_tokens,
    cache_creation_input_tokens: tokens.cache_write_tokens,
    output_tokens: tokens.output_tokens,
  });
};

/** Agents name the same tools and their arguments differently. */
function toolCallOf(step: Step, tools: readonly Tool[]): { name: string; input: object } {
  const wanted =
    "tool" in step ? new RegExp(`^${step.tool}$`) : "command" in step ? /^bash$/i : /^write$/i;
  const tool = tools.find(({ name }) => wanted.test(name));
  if (tool === undefined) throw new Error(`no tool for ${JSON.stringify(step)}`);
  if ("tool" in step) return { name: tool.name, input: step.input };
  if ("command" in step) {
    return { name: tool.name, input: { command: step.command, description: "Work" } };
  }
  const path = Object.keys(tool.input_schema?.properties ?? {}).find((name) => /path$/i.test(name));
  return { name: tool.name, input: { [path ?? "path"]: step.path, content: step.text } };
}

type Block =
  | { type: "text"; text: string }
  | { type: "tool_use"; id: string; name: string; input: object };

/** Answers with one block, streamed if asked. */
function send(
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
  const write = (type: string, data: object): void => {
    response.write(event({ type, ...data }, type));
  };
  const begun = { ...usage, output_tokens: 1 };
  write("message_start", { message: { ...whole, content: [], stop_reason: null, usage: begun } });
  const empty = block.type === "text" ? { ...block, text: "" } : { ...block, input: {} };
  const delta =
    block.type === "text"
      ? { type: "text_delta", text: block.text }
      : { type: "input_json_delta", partial_json: JSON.stringify(block.input) };
  write("content_block_start", { index: 0, content_block: empty });
  write("content_block_delta", { index: 0, delta });
  write("content_block_stop", { index: 0 });
  write("message_delta", {
    delta: { stop_reason, stop_sequence: null },
    usage: { output_tokens: usage["output_tokens"] },
  });
  write("message_stop", {});
  response.end();
}
