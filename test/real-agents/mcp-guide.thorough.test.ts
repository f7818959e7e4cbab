/** The commands of docs/how-to/mcp.md with the real Claude Code, whose model is scripted. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Agent } from "#shared/api/work/agents.js";
import { codeBlocks } from "#test/support/documents/code-blocks.js";
import { makeAgent, makeOrganization, makeProject } from "#test/support/fixtures/factories.js";
import { sharedTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import { builtFile } from "#test/support/server/built-files.js";
import { signedInCli, type SignedInCli } from "#test/support/server/signed-in-cli.js";
import { installAgents } from "./install-agents.js";
import { startScriptedModel, type ScriptedModel } from "./scripted-model.js";

const installed = await installAgents();
const [agents, suffix] =
  "folder" in installed ? [installed.folder, ""] : [null, `: ${installed.missing}`];

/** A call of the model. */
interface Call {
  tools?: { name: string }[];
  messages?: { content: string | { type: string; is_error?: boolean }[] }[];
}

describe.skipIf(agents === null)(`Claude Code with Omoi's tools${suffix}`, () => {
  let model: ScriptedModel;
  let app: TestApp;
  let owner: TestPerson;
  let agent: Agent;
  let cli: SignedInCli;
  let folder: string;
  let commands: string[];
  let key: string;

  beforeAll(async () => {
    app = await sharedTestApp();
    owner = await app.person("Ada");
    const org = await makeOrganization(owner);
    agent = await makeAgent(owner, (await makeProject(owner, org.id)).id);
    model = await startScriptedModel({
      steps: [{ tool: "mcp__omoi__list_agents", input: {} }],
      message: "These are the agents.",
    });
    cli = await signedInCli(app.url, owner);
    // `npx omoi` finds the command in the folder, as after an installation.
    folder = mkdtempSync(join(tmpdir(), "omoi-mcp-guide-"));
    mkdirSync(join(folder, "node_modules/.bin"), { recursive: true });
    symlinkSync(builtFile("cli/main.js"), join(folder, "node_modules/.bin/omoi"));
    const [keyOfPerson = "", keyOfAgent = "", ...rest] = (await codeBlocks("how-to/mcp.md", "sh"))
      .map((block) => block.replaceAll("https://omoi.example.com", app.url))
      .map((block) => block.replaceAll("acme-corp", org.slug))
      .map((block) => block.replaceAll("worker-1", agent.name).trim());
    commands = rest;
    ({ key } = JSON.parse((await run(`${keyOfPerson} --json`)).out) as { key: string });
    const own = JSON.parse((await run(`${keyOfAgent} --json`)).out) as { agent_id: string };
    expect(own.agent_id).toBe(agent.id);
  });
  afterAll(async () => {
    cli?.close();
    if (folder) rmSync(folder, { recursive: true });
    await model?.close();
  });

  /** Runs a command of the guide in the folder. */
  async function run(command: string, more: Record<string, string> = {}) {
    const path = [join(folder, "node_modules/.bin"), join(agents ?? "", "bin"), cli.env["PATH"]];
    const child = spawn("bash", ["-euc", command], {
      cwd: folder,
      env: {
        ...cli.env,
        PATH: path.join(delimiter),
        ANTHROPIC_BASE_URL: model.url.replace(/\/v1$/, ""),
        ANTHROPIC_API_KEY: "sk-ant-of-the-guide",
        CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: "1",
        DISABLE_AUTOUPDATER: "1",
        // Claude Code asks the model without the tools of a server that has not connected after 5 s.
        MCP_CONNECTION_NONBLOCKING: "0",
        MCP_CONNECT_TIMEOUT_MS: "100000",
        ...more,
      },
      timeout: 120_000,
      killSignal: "SIGKILL",
      stdio: ["ignore", "pipe", "pipe"],
    });
    const [out, err, [code]] = await Promise.all([
      text(child.stdout),
      text(child.stderr),
      once(child, "close"),
    ]);
    expect([command, code, code === 0 ? "" : out + err]).toEqual([command, 0, ""]);
    return { out, err };
  }

  /** Asks the model, and expects that Omoi's answer to its tool call reached it. */
  async function ask(more: Record<string, string> = {}, options = ""): Promise<void> {
    model.calls.length = 0;
    const question = commands.find((command) => command.startsWith("claude -p")) as string;
    const { out } = await run(`${question} ${options}`, more);
    expect(out.trim()).toBe("These are the agents.");
    const last = lastCall();
    const results = last.messages.flatMap(({ content }) =>
      Array.isArray(content) ? content.filter(({ type }) => type === "tool_result") : [],
    );
    expect(results).toHaveLength(1);
    expect(results[0]?.is_error ?? false).toBe(false);
    expect(JSON.stringify(results)).toContain(agent.id);
  }

  /** The last call of the model for the work; others ask for titles. */
  function lastCall() {
    const calls = model.calls.map(({ body }) => (body === "" ? {} : JSON.parse(body)) as Call);
    const found = calls.findLast(({ tools = [] }) => tools.length > 0);
    return { tools: found?.tools ?? [], messages: found?.messages ?? [] };
  }

  /** The names of the tools that the model was offered. */
  const offered = (): string[] =>
    lastCall().tools.flatMap(({ name }) => /^mcp__omoi__(.*)$/.exec(name)?.[1] ?? []);

  test.each(["--transport http", "npx omoi mcp"])("works by %s", async (transport) => {
    const add = commands.find(
      (command) => command.startsWith("claude mcp add") && command.includes(transport),
    );
    await run(add as string, { KEY: key });
    try {
      const { out } = await run("claude mcp list");
      expect(out).toMatch(/omoi: .*Connected/);
      await ask();
      // The key of the guide reads; the sign-in does all.
      expect(offered()).toContain("list_work");
      expect(offered().includes("merge_workspace")).toBe(transport === "npx omoi mcp");
    } finally {
      await run("claude mcp remove omoi");
    }
  });

  test("works by a file of the project that names a variable", async () => {
    const [file = ""] = await codeBlocks("how-to/mcp.md", "json");
    writeFileSync(join(folder, ".mcp.json"), file.replaceAll("https://omoi.example.com", app.url));
    try {
      await ask({ KEY: key }, "--mcp-config .mcp.json");
    } finally {
      rmSync(join(folder, ".mcp.json"));
    }
  });
});
