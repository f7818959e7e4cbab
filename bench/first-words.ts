import { spawn } from "node:child_process";
import { mkdir, mkdtemp } from "node:fs/promises";
import { join } from "node:path";
import { connect, createServer, type Server as SocketServer } from "node:net";
import { once } from "node:events";
import { createInterface } from "node:readline";
import type { PresetName } from "#shared/execution/run-choices.js";
import { definitionOf } from "#execution/presets/presets.js";
import { foldersOf, installAgents, installCodex } from "#test/real-agents/install-agents.js";
import { startScriptedModel, type ScriptedModel } from "#test/real-agents/scripted-model.js";
import type { Client } from "#shared/contract/client.js";
import {
  interleave,
  median,
  ms,
  spread,
  times,
  type Benchmark,
  type Row,
} from "./support/harness.js";
import { withServer, type Server } from "./support/server.js";

const rounds = 9;
const goal = 1.3;
const presets: readonly PresetName[] = ["claude-code", "opencode", "codex"];
const modelKey = "sk-ant-of-a-measurement-0123456789";

/** A task must not keep its program waiting. */
export const firstWords: Benchmark = {
  name: "first-words",
  method:
    `POST …/tasks, until the first words of the agent are in the event stream of the session, beside the same program ` +
    `started by hand in a prepared folder with an empty home, until its first words are on its output; ${rounds} rounds ` +
    "in turn. Both speak the Agent Client Protocol with the real programs, whose model is scripted: by hand it is asked " +
    "directly, from the task through the gateway. A task makes agent, workspace, sandbox, repository and session before " +
    "the program starts. Programs are installed with CI=1 or THOROUGH=1.",
  run: async (folder, log) => {
    const agents = await installAgents();
    if ("missing" in agents) {
      return [rowOf("Task to the first words of a real agent", `not measured: ${agents.missing}`)];
    }
    const programs = foldersOf(agents, await installCodex());
    const model = await startScriptedModel({ steps: [], message: "The greeting is there." });
    const [socket, relayed] = await modelSocket(model, folder);
    const env = {
      PATH: [
        ...programs.map((programFolder) => join(programFolder, "bin")),
        process.env["PATH"],
      ].join(":"),
      OMOI_MODEL_PRIVATE_HOSTS: "true",
      OMOI_SANDBOX_READONLY: programs.join(":"),
      OMOI_RUN_MEMORY_MIB: "4096",
    };
    try {
      return await withServer({ dataDir: join(folder, "data"), env }, async (server, api) => {
        const place = await prepare(api, model);
        const rows: Row[] = [];
        for (const preset of presets) {
          log(preset);
          rows.push(
            await measure({ server, api, model, socket, preset, folder, path: env.PATH, ...place }),
          );
        }
        return rows;
      });
    } finally {
      relayed.close();
      await model.close();
    }
  },
};

const rowOf = (label: string, result: string): Row => ({
  label,
  result,
  baseline: "",
  ratio: "",
  target: "",
  met: null,
});

interface Place {
  projectId: string;
  key: string;
}

async function prepare(api: Client, model: ScriptedModel): Promise<Place> {
  const { data: org } = await api.organizations.create({ body: { name: "Bench" } });
  for (const provider of ["anthropic", "openai"] as const) {
    await api.organizationSecrets.set({
      params: { org_id: org.id, name: provider.toUpperCase() },
      body: { kind: "model", provider, value: modelKey, base_url: model.url },
    });
  }
  const { data: project } = await api.projects.create({
    body: { organization_id: org.id, name: "Bench" },
  });
  const { data: key } = await api.apiKeys.create({ body: { name: "Bench" } });
  return { projectId: project.id, key: key.key ?? "" };
}

interface Measured extends Place {
  server: Server;
  api: Client;
  model: ScriptedModel;
  socket: string;
  preset: PresetName;
  folder: string;
  path: string;
}

async function measure(input: Measured): Promise<Row> {
  const label = `${input.preset}: a task to the first words`;
  const { data: programs } = await input.api.presets.list();
  if (programs.find(({ name }) => name === input.preset)?.available !== true) {
    return rowOf(label, "not measured: it is not installed");
  }
  // Neither of the first two, for which files come from the disk.
  await wordsOfTask(input);
  await wordsByHand(input);
  const { task, hand } = await interleave(rounds, {
    task: () => wordsOfTask(input),
    hand: () => wordsByHand(input),
  });
  const ratio = median(task) / median(hand);
  return {
    label,
    result: ms(median(task)),
    baseline: `${ms(median(hand))} by hand`,
    ratio: `${times(ratio)} (${spread(task, hand)})`,
    target: `at most ${goal} ×`,
    met: ratio <= goal,
  };
}

/** Returns the milliseconds from the request to the first words. */
async function wordsOfTask({ server, api, projectId, key, preset }: Measured): Promise<number> {
  const start = performance.now();
  const { data: task } = await api.tasks.create({
    params: { project_id: projectId },
    body: { body: "Say hello", preset },
  });
  const id = task.attempts[0]?.session_id;
  const response = await fetch(`${server.url}/api/v1/sessions/${id}/events`, {
    headers: { authorization: `Bearer ${key}` },
  });
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
    text += decoder.decode(chunk, { stream: true });
    if (text.includes('"type":"message"')) break;
  }
  const passed = performance.now() - start;
  await response.body?.cancel().catch(() => undefined);
  await api.tasks.delete({ params: { task_id: task.id } });
  return passed;
}

/**
 * The namespace of the program by hand has no network but this relay, which reaches the model through a socket in the file
 * system: the real programs call home.
 */
const relay = `
const net = require("node:net");
const [port, socket] = process.argv.slice(1);
net.createServer((from) => {
  const to = net.connect(socket);
  from.pipe(to).pipe(from);
  for (const end of [from, to]) end.on("error", () => { from.destroy(); to.destroy(); });
}).listen(Number(port), "127.0.0.1", () => console.log("ready"));`;
const inNamespace = `
ip link set lo up
"$NODE" -e "$RELAY" "$PORT" "$SOCKET" | { read -r ready; echo "$ready" >&2; cat >/dev/null; } &
read -r go
exec "$@"`;

/** Serves the model at a socket in the file system. */
async function modelSocket(model: ScriptedModel, folder: string): Promise<[string, SocketServer]> {
  const path = join(folder, "model.sock");
  const server = createServer((from) => {
    const to = connect(Number(new URL(model.url).port), "127.0.0.1");
    from.pipe(to).pipe(from);
    for (const end of [from, to]) {
      end.on("error", () => {
        from.destroy();
        to.destroy();
      });
    }
  });
  server.listen(path);
  await once(server, "listening");
  return [path, server];
}

/** Speaks the protocol with the program as the server does. Returns the milliseconds to its first words. */
async function wordsByHand({ model, socket, preset, folder, path }: Measured): Promise<number> {
  const home = await mkdtemp(join(folder, "home-"));
  const cwd = join(home, "work");
  await mkdir(cwd);
  const command = definitionOf(preset)?.sessionCommandOf(null) ?? [];
  const shell = ["--net", "--", "sh", "-c", inNamespace, "sh", ...command];
  const isRoot = process.getuid?.() === 0;
  const child = spawn("unshare", [...(isRoot ? [] : ["--map-root-user"]), ...shell], {
    cwd,
    env: {
      PATH: path,
      HOME: home,
      NODE: process.execPath,
      RELAY: relay,
      PORT: new URL(model.url).port,
      SOCKET: socket,
      ANTHROPIC_BASE_URL: model.url.replace(/\/v1$/, ""),
      ANTHROPIC_API_KEY: modelKey,
      OPENAI_BASE_URL: model.url,
      OPENAI_API_KEY: modelKey,
    },
    stdio: ["pipe", "pipe", "pipe"],
    detached: true,
  });
  // The relay is there.
  await once(child.stderr, "data");
  child.stderr.resume();
  const start = performance.now();
  const send = (id: number, method: string, params: unknown): void => {
    child.stdin.write(`${JSON.stringify({ jsonrpc: "2.0", id, method, params })}\n`);
  };
  child.stdin.write("go\n");
  const clientCapabilities = { fs: { readTextFile: false, writeTextFile: false }, terminal: false };
  send(1, "initialize", { protocolVersion: 1, clientCapabilities });
  try {
    for await (const line of createInterface({ input: child.stdout })) {
      const { id, result, params } = JSON.parse(line) as {
        id?: number;
        result?: { sessionId?: string };
        params?: { update?: { sessionUpdate?: string } };
      };
      if (id === 1) send(2, "session/new", { cwd, mcpServers: [] });
      if (id === 2) {
        const prompt = [{ type: "text", text: "Say hello" }];
        send(3, "session/prompt", { sessionId: result?.sessionId, prompt });
      }
      if (params?.update?.sessionUpdate === "agent_message_chunk") {
        return performance.now() - start;
      }
    }
    throw new Error(`${preset} ended without words`);
  } finally {
    if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
  }
}
