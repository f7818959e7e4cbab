/**
 * The demo's agent: it speaks the Agent Client Protocol and plays a scripted turn for each prompt, without a model of its
 * own. It works on the files of its folder and calls the demo's model through Omoi, so that costs are measured as for
 * any agent.
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as pause } from "node:timers/promises";
import { answerPlay, playFor } from "./plays.mjs";

const folder = process.cwd();
const stateFile = join(homedir(), ".demo-agent");
/** @type {Map<number, (answer: object) => void>} */
const waiting = new Map();
let session = "";
let nextId = 1;
let turns = 0;
let tokens = 6000;
let isCancelled = false;

const send = (message) =>
  process.stdout.write(`${JSON.stringify({ jsonrpc: "2.0", ...message })}\n`);
const update = (value) =>
  send({ method: "session/update", params: { sessionId: session, update: value } });
const request = (method, params) =>
  new Promise((resolve) => {
    const id = nextId;
    nextId += 1;
    waiting.set(id, resolve);
    send({ id, method, params });
  });

/** Streams a text by a few words at a time, as models do. */
async function say(text, kind = "agent_message_chunk") {
  for (const piece of text.match(/\S+\s*(?:\S+\s*){0,5}/g) ?? []) {
    update({ sessionUpdate: kind, content: { type: "text", text: piece } });
    await pause(60);
  }
}

/** Asks the demo's model. A server without it, or a spent budget, lets the turn continue. */
async function think(output) {
  const { OMOI_URL, OMOI_TOKEN } = process.env;
  if (!OMOI_URL) return;
  tokens += 1800 + output;
  await fetch(`${OMOI_URL}/models/demo/v1/chat/completions`, {
    method: "POST",
    headers: { authorization: `Bearer ${OMOI_TOKEN}`, "content-type": "application/json" },
    body: JSON.stringify({
      model: "demo-model",
      max_tokens: output,
      messages: [{ role: "user", content: JSON.stringify({ tokens, output }) }],
    }),
  })
    .then((answer) => answer.arrayBuffer())
    .catch(() => undefined);
}

let tools = 0;
function begin(title, kind, more = {}) {
  tools += 1;
  const toolCallId = `${turns}-${tools}`;
  update({
    sessionUpdate: "tool_call",
    toolCallId,
    title,
    kind,
    status: "in_progress",
    ...more,
  });
  return (status, content = []) =>
    update({ sessionUpdate: "tool_call_update", toolCallId, status, content });
}
const textOf = (text) => [{ type: "content", content: { type: "text", text } }];

const read = (path) => {
  try {
    return readFileSync(join(folder, path), "utf8");
  } catch {
    return "";
  }
};
const locations = (path) => [{ path: join(folder, path) }];

/** The kinds of steps, each with its values in a play. */
const steps = {
  async thought(text) {
    await say(text, "agent_thought_chunk");
  },
  async say(text) {
    await say(`${text}\n\n`);
  },
  async read(path) {
    const end = begin(`Read ${path}`, "read", { locations: locations(path) });
    await pause(300);
    end("completed", textOf(read(path).slice(0, 2000)));
  },
  async write(path, newText) {
    const oldText = read(path) || null;
    const end = begin(`Write ${path}`, "edit", { locations: locations(path) });
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), newText);
    await pause(300);
    end("completed", [{ type: "diff", path: join(folder, path), oldText, newText }]);
  },
  async edit(path, from, to) {
    const oldText = read(path);
    const newText = oldText.includes(from) ? oldText.replace(from, () => to) : oldText + to;
    const end = begin(`Edit ${path}`, "edit", { locations: locations(path) });
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), newText);
    await pause(300);
    end("completed", [{ type: "diff", path: join(folder, path), oldText, newText }]);
  },
  async run(command, output, seconds = 2) {
    const end = begin(command, "execute", { rawInput: { command } });
    await pause(seconds * 1000);
    end("completed", textOf(output));
  },
  async ask(command, path) {
    tools += 1;
    const toolCallId = `${turns}-${tools}`;
    const toolCall = { toolCallId, title: command, kind: "delete", rawInput: { command } };
    update({ sessionUpdate: "tool_call", status: "pending", ...toolCall });
    const { result } = await request("session/request_permission", {
      sessionId: session,
      toolCall,
      options: [
        { optionId: "allow", name: "Allow", kind: "allow_once" },
        { optionId: "reject", name: "Reject", kind: "reject_once" },
      ],
    });
    const isAllowed = result?.outcome?.optionId === "allow";
    if (isAllowed) rmSync(join(folder, path), { recursive: true, force: true });
    const status = isAllowed ? "completed" : "failed";
    update({ sessionUpdate: "tool_call_update", toolCallId, status });
    await say(isAllowed ? "Removed.\n\n" : "I leave it as it is.\n\n");
  },
  async wait(seconds) {
    for (let left = seconds * 4; left > 0; left -= 1) {
      if (isCancelled) return;
      await pause(250);
    }
  },
  async exit(code) {
    await pause(200);
    process.exit(code);
  },
};

async function play(script) {
  const plan = script.plan ?? [];
  const show = (done) =>
    plan.length > 0 &&
    update({
      sessionUpdate: "plan",
      entries: plan.map((content, at) => ({
        content,
        priority: "medium",
        status: at < done ? "completed" : at === done ? "in_progress" : "pending",
      })),
    });
  show(0);
  for (const [at, [kind, ...values]] of script.steps.entries()) {
    if (isCancelled) return "cancelled";
    await think(180 + 40 * (at % 5));
    await steps[kind](...values);
    show(Math.floor(((at + 1) * plan.length) / script.steps.length));
  }
  return isCancelled ? "cancelled" : "end_turn";
}

const methods = {
  initialize: () => ({ protocolVersion: 1, agentCapabilities: { loadSession: true } }),
  "session/new": () => {
    session = `demo-${process.pid}-${Date.now()}`;
    writeFileSync(stateFile, session);
    return { sessionId: session };
  },
  "session/load": ({ sessionId }) => {
    session = sessionId;
    turns = 1;
    return {};
  },
  "session/prompt": async ({ prompt }) => {
    const text = prompt.map((part) => part.text ?? "").join("\n");
    isCancelled = false;
    turns += 1;
    return { stopReason: await play(turns === 1 ? playFor(text) : answerPlay(text)) };
  },
};

async function answer(id, method, params) {
  try {
    send({ id, result: await methods[method](params) });
  } catch (error) {
    send({ id, error: { code: -32603, message: error.message } });
  }
}

createInterface({ input: process.stdin }).on("line", (line) => {
  const { id, method, params, ...rest } = JSON.parse(line);
  if (method === "session/cancel") isCancelled = true;
  else if (method === undefined) waiting.get(id)?.(rest);
  else void answer(id, method, params);
});
