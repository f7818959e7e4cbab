/**
 * A model server that follows a script: it asks for each step in turn, then ends with a message. The agents
 * are the real ones; only the model's decisions are scripted.
 */
import type { ServerResponse } from "node:http";
import { answerJson, startModelServer, type ModelServer } from "../support/models/model-server.js";
import { answerMessages } from "./scripted-messages.js";
import { answerResponses } from "./scripted-responses.js";

/** A tool call: a file that the model writes, a command for the agent's shell tool, or any tool by its name. */
export type Step =
  | { path: string; text: string }
  | { command: string }
  | { tool: string; input: object };

export interface Script {
  steps: Step[];
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
  /** Steps that are added go on where the conversation is. */
  script: Script;
  reported: Reported;
}

/** Answers a call in the format of its provider. */
export type Answer = (
  response: ServerResponse,
  body: string,
  script: Script,
  tokens: Omit<Reported, "requests">,
) => void;

export async function startScriptedModel(script: Script): Promise<ScriptedModel> {
  const server = await startModelServer();
  const reported: Reported = {
    input_tokens: 0,
    output_tokens: 0,
    cache_read_tokens: 0,
    cache_write_tokens: 0,
    requests: 0,
  };
  server.respond((response, { path, body }) => {
    const answer = formats.get(path.replace(/\?.*/, ""));
    if (answer === undefined) {
      answerJson(response, { input_tokens: 1, data: [] });
      return;
    }
    const tokens = {
      input_tokens: 100 + reported.requests,
      output_tokens: 20 + reported.requests,
      cache_read_tokens: 1000,
      // OpenAI reports none.
      cache_write_tokens: answer === answerMessages ? 10 : 0,
    };
    reported.input_tokens += tokens.input_tokens;
    reported.output_tokens += tokens.output_tokens;
    reported.cache_read_tokens += tokens.cache_read_tokens;
    reported.cache_write_tokens += tokens.cache_write_tokens;
    reported.requests += 1;
    answer(response, body, script, tokens);
  });
  return { ...server, script, reported };
}

const formats = new Map<string, Answer>([
  ["/v1/messages", answerMessages],
  ["/v1/responses", answerResponses],
]);
