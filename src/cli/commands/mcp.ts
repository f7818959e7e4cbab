/** `omoi mcp`: the Model Context Protocol over standard input and output, for programs on this machine. */
import type { Command } from "commander";
import { connect, type Connection, type Where } from "../connection/connect.js";
import { parsed } from "../connection/event-stream.js";
import { send, textOf } from "../connection/http.js";

export function addMcp(program: Command): void {
  program
    .command("mcp")
    .description(
      "Serve the Model Context Protocol on standard input and output, as you are signed in",
    )
    .option("--context <NAME>", "the installation, instead of the current one")
    .addHelpText(
      "after",
      `
Examples:
  claude mcp add omoi -- npx omoi mcp`,
    )
    .action(async (options: Where) => {
      const connection = connect(options);
      const waiting = new Set<Promise<void>>();
      for await (const line of linesOf(process.stdin)) {
        if (line.trim() === "") continue;
        const done = forward(connection, line).finally(() => waiting.delete(done));
        waiting.add(done);
      }
      await Promise.all(waiting);
    });
}

/** Lines end with a line feed alone: JSON may contain other separators of lines. */
async function* linesOf(input: AsyncIterable<Buffer>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of input) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    yield* lines;
  }
  if (rest !== "") yield rest;
}

interface Message {
  id?: string | number | null;
  method?: string;
  params?: { name?: unknown; uri?: unknown; _meta?: Record<string, unknown> };
}

/** The name in the header of a request of the newer protocol. */
function nameOf({ params }: Message): string | undefined {
  const name = params?.name ?? params?.uri;
  return typeof name === "string" ? name : undefined;
}

/** Sends one message to the server, and writes its answers. */
async function forward(connection: Connection, line: string): Promise<void> {
  let message: Message;
  try {
    const read: unknown = JSON.parse(line);
    if (typeof read !== "object" || read === null || Array.isArray(read)) {
      return answerError(null, -32_600, "A message is one JSON object.");
    }
    message = read;
  } catch {
    return answerError(null, -32_700, "The line is not JSON.");
  }
  const version = message.params?._meta?.["io.modelcontextprotocol/protocolVersion"];
  const name = nameOf(message);
  try {
    const response = await send(connection, "/mcp", {
      method: "POST",
      isStream: true,
      headers: {
        "content-type": "application/json",
        accept: "application/json, text/event-stream",
        ...(typeof version === "string" && {
          "mcp-protocol-version": version,
          "mcp-method": message.method ?? "",
          ...(name !== undefined && { "mcp-name": name }),
        }),
      },
      body: line,
    });
    const type = response.headers["content-type"] ?? "";
    if (type.startsWith("text/event-stream")) {
      for await (const { data } of parsed(response)) if (data !== "") writeMessage(data);
      return;
    }
    const text = await textOf(response);
    if (text === "") return;
    const body = JSON.parse(text) as { jsonrpc?: string; detail?: string };
    if (body.jsonrpc !== undefined) writeMessage(text);
    else answerError(message.id, -32_603, body.detail ?? "The server refused.");
  } catch (error) {
    answerError(message.id, -32_603, (error as Error).message);
  }
}

const writeMessage = (text: string): void => void process.stdout.write(`${text.trim()}\n`);

/** Notifications get no answer. */
function answerError(id: Message["id"], code: number, message: string): void {
  if (id === undefined) return;
  writeMessage(JSON.stringify({ jsonrpc: "2.0", id, error: { code, message } }));
}
