/** The scripted model in the format of OpenAI's responses, with the tools of Codex. */
import { beginStream, event } from "../support/models/model-server.js";
import type { Answer, Step } from "./scripted-model.js";

interface AskedResponse {
  model: string;
  input: { type?: string }[];
}

export const answerResponses: Answer = (response, body, { steps, message }, tokens) => {
  const { model, input } = JSON.parse(body) as AskedResponse;
  const done = input.filter(({ type }) => type === "custom_tool_call_output").length;
  const step = steps[done];
  const content = [{ type: "output_text", text: message, annotations: [] }];
  const item =
    step === undefined
      ? { type: "message", id: "msg_1", role: "assistant", status: "completed", content }
      : {
          type: "custom_tool_call",
          id: `ctc_${done + 1}`,
          call_id: `call_${done + 1}`,
          name: "exec",
          status: "completed",
          input: programOf(step, isSandboxed(body)),
        };
  beginStream(response);
  let sequence_number = 0;
  const write = (type: string, data: object): void => {
    response.write(event({ type, sequence_number, ...data }, type));
    sequence_number += 1;
  };
  const whole = { id: `resp_${done}`, object: "response", model, created_at: 1 };
  write("response.created", { response: { ...whole, status: "in_progress", output: [] } });
  if (step === undefined) {
    const place = { item_id: "msg_1", output_index: 0, content_index: 0 };
    write("response.output_item.added", { output_index: 0, item: { ...item, content: [] } });
    write("response.output_text.delta", { ...place, delta: message });
  }
  write("response.output_item.done", { output_index: 0, item });
  const input_tokens = tokens.input_tokens + tokens.cache_read_tokens;
  const usage = {
    input_tokens,
    input_tokens_details: { cached_tokens: tokens.cache_read_tokens },
    output_tokens: tokens.output_tokens,
    output_tokens_details: { reasoning_tokens: 0 },
    total_tokens: input_tokens + tokens.output_tokens,
  };
  write("response.completed", {
    response: { ...whole, status: "completed", output: [item], usage },
  });
  response.end();
};

/** Whether Codex keeps commands in its own sandbox. The context of the conversation says so, the last one counts. */
function isSandboxed(body: string): boolean {
  const profiles = body.match(/<permission_profile type=\\"\w+/g) ?? [];
  return profiles.at(-1)?.endsWith("disabled") !== true;
}

/** Codex gives a model one tool, which runs a program over the others. */
function programOf(step: Step, isSandboxed: boolean): string {
  if ("tool" in step) return `text(await tools.${step.tool}(${JSON.stringify(step.input)}));`;
  if ("command" in step) {
    const call = {
      cmd: step.command,
      yield_time_ms: 30_000,
      // Outside of Codex's own sandbox, for which it asks. Without one, Codex refuses the wish.
      ...(isSandboxed && {
        sandbox_permissions: "require_escalated",
        justification: "Shall the greeting be committed?",
      }),
    };
    return `text(await tools.exec_command(${JSON.stringify(call)}));`;
  }
  const lines = step.text.trimEnd().split("\n");
  const patch = [
    "*** Begin Patch",
    `*** Add File: ${step.path}`,
    ...lines.map((line) => `+${line}`),
    "*** End Patch",
  ].join("\n");
  return `text(await tools.apply_patch(${JSON.stringify(patch)}));`;
}
