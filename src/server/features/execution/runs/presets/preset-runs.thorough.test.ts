/** Presets: their state on this machine, the runs they start, and the results they read. */
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Preset } from "#shared/api/execution/presets.js";
import type { NewRun, Run } from "#shared/api/execution/runs.js";
import type { Project } from "#shared/api/code/projects.js";
import type { PresetName } from "#shared/execution/run-choices.js";
import {
  expectProblem,
  startTestApp,
  type TestApp,
  type TestPerson,
} from "#test/support/server/app.js";
import { makeOrganization, makeProject, makeWorkspace } from "#test/support/fixtures/factories.js";
import { followLog, shell, waitForRunEnd } from "#test/support/fixtures/runs.js";
import { send } from "#test/support/http/raw-request.js";

const names: PresetName[] = ["claude-code", "codex", "gemini", "opencode", "custom"];

/** Prints its arguments, one per line, and its input before its result. */
const fake = (result: string): string => `#!/bin/sh
[ "$1" != --version ] || { echo "1.2.3 (fake)"; exit; }
printf '%s\\n' "$@" >&2
cat >&2
cat <<'END'
${result}
END
`;

describe("presets", () => {
  let app: TestApp;
  let owner: TestPerson;
  let project: Project;
  let tools: string;
  beforeAll(async () => {
    tools = await mkdtemp(join(tmpdir(), "omoi-tools-"));
    await chmod(tools, 0o755);
    app = await startTestApp({ OMOI_SANDBOX_READONLY: tools }, "real");
    owner = await app.person("Ada");
    const org = await makeOrganization(owner);
    project = await makeProject(owner, org.id);
    for (const name of ["ANTHROPIC_API_KEY", "OPENAI_API_KEY", "GEMINI_API_KEY"]) {
      const body = { value: `key-of-${name}`, kind: "variable" as const };
      await owner.api.organizationSecrets.set({ params: { org_id: org.id, name }, body });
    }
  });
  afterAll(async () => {
    await app?.close();
    await rm(tools, { recursive: true });
  });

  const install = async (program: string, content: string, mode = 0o755): Promise<void> => {
    await writeFile(join(tools, program), content);
    await chmod(join(tools, program), mode);
  };
  const list = async (): Promise<Map<string, Preset>> => {
    const { data } = await owner.api.presets.list();
    return new Map(data.map((preset) => [preset.name, preset]));
  };
  const start = async (body: NewRun, agentId?: string): Promise<Run> => {
    const agent_id = agentId ?? (await makeWorkspace(owner, project.id)).agent.id;
    const { data } = await owner.api.runs.create({ params: { agent_id }, body });
    return waitForRunEnd(owner, data.id);
  };
  const stderrOf = async (run: Run): Promise<string[]> => {
    const path = `/api/v1/runs/${run.id}/logs?stream=stderr`;
    return (await send(app, "GET", path, { token: owner.token })).text.trimEnd().split("\n");
  };

  test("tell which programs work in the sandbox, and follow changes", async () => {
    const before = await list();
    expect([...before.keys()]).toEqual(names);
    expect(before.get("claude-code")).toEqual({
      name: "claude-code",
      title: "Claude Code",
      program: "claude",
      install: "npm install --global @anthropic-ai/claude-code",
      available: false,
      reason: "The program claude is not on the PATH of runs.",
      version: null,
      provider: "anthropic",
      secret: "ANTHROPIC_API_KEY",
      hosts: ["api.anthropic.com"],
      models: ["opus", "sonnet", "haiku"],
      session: {
        program: "claude-agent-acp",
        install: "npm install --global @agentclientprotocol/claude-agent-acp@latest",
        available: false,
        reason: "The program claude-agent-acp is not on the PATH of runs.",
      },
    });
    expect(before.get("custom")).toMatchObject({ available: true, reason: null, hosts: [] });
    await install("claude", fake(""), 0o644);
    expect((await list()).get("claude-code")).toMatchObject({ available: false });
    await chmod(join(tools, "claude"), 0o755);
    const found = { available: true, reason: null, version: "1.2.3 (fake)" };
    expect((await list()).get("claude-code")).toMatchObject(found);
    await install("codex", "#!/no/such/interpreter\n");
    await install("gemini", "#!/bin/sh\necho 'needs Node 22' >&2; exit 3\n");
    const broken = await list();
    expect(broken.get("codex")?.reason).toMatch(/codex does not start: .* exited with code 127/);
    expect(broken.get("gemini")?.reason).toBe(
      `${tools}/gemini does not start: "gemini --version" exited with code 3 (needs Node 22).`,
    );
    await rm(join(tools, "claude"));
    expect((await list()).get("claude-code")).toMatchObject({ available: false, version: null });
  });

  test("are not looked for on the server's own PATH", async () => {
    const hidden = await mkdtemp(join(tmpdir(), "omoi-hidden-"));
    const path = process.env["PATH"];
    process.env["PATH"] = `${hidden}:${path}`;
    try {
      await writeFile(join(hidden, "opencode"), fake(""), { mode: 0o755 });
      expect((await list()).get("opencode")).toMatchObject({ available: false, version: null });
    } finally {
      process.env["PATH"] = path;
      await rm(hidden, { recursive: true });
    }
  });

  test("start their program with the prompt as one argument", async () => {
    await install("claude", fake('{"type":"result","result":"All **done** <b>"}'));
    const prompt = '--version; $(touch x)\n"second" line';
    const run = await start({ preset: "claude-code", prompt, model: "claude-x[1m]" });
    expect(run).toMatchObject({
      status: "succeeded",
      preset: "claude-code",
      prompt,
      model: "claude-x[1m]",
      result: "All **done** <b>",
      network: "restricted",
      allowed_hosts: ["api.anthropic.com"],
      env_names: [],
    });
    const words = await stderrOf(run);
    expect(words.slice(words.indexOf("--model"))).toEqual([
      "--model",
      "claude-x[1m]",
      "--",
      ...prompt.split("\n"),
    ]);
    expect(run.command?.at(-1)).toBe(prompt);
  });

  test.each<[PresetName, string, string]>([
    [
      "codex",
      '{"type":"item.completed","item":{"type":"agent_message","text":"first"}}\n' +
        '{"type":"item.completed","item":{"type":"agent_message","text":"last"}}\n' +
        '{"type":"turn.completed","usage":{}}',
      "last",
    ],
    [
      "gemini",
      'warning\n{"type":"message","role":"assistant","content":"la","delta":true}\n' +
        '{"type":"message","role":"assistant","content":"st","delta":true}\n' +
        '{"type":"result","status":"success","stats":{}}',
      "last",
    ],
    [
      "opencode",
      '{"type":"text","part":{"type":"text","text":"last"}}\n{"type":"step_finish","part":{}}',
      "last",
    ],
  ])("%s reads its result and takes any prompt", async (preset, output, result) => {
    await install(preset, fake(output));
    const run = await start({ preset, prompt: "-x --help" });
    expect(run).toMatchObject({ status: "succeeded", result, model: null });
    expect((await stderrOf(run)).at(-1)).toMatch(/^(?:--prompt=)?-x --help$/);
  });

  test("opencode gets the prompt by its standard input, and its exit code counts", async () => {
    const model = "anthropic/x";
    await install("opencode", `${fake("")}exit 4\n`);
    const run = await start({ preset: "opencode", prompt: '$(touch x) %s\n"a  b" ', model });
    expect(run).toMatchObject({ status: "failed", exit_code: 4 });
    const words = await stderrOf(run);
    expect(words.slice(words.indexOf("--auto"))).toEqual([
      "--auto",
      "--model",
      model,
      "$(touch x) %s",
      '"a  b"',
    ]);
  });

  test.each([
    ["no output", ""],
    ["no JSON", "claude: something"],
    ["cut JSON", '{"type":"result","result":"abc'],
    ["another shape", '{"type":"result","result":{"a":1}}'],
    ["deep JSON", "[".repeat(100_000)],
    ["a longer line than is kept", `{"type":"result","result":"${"x".repeat(300_000)}"}`],
  ])("have no result from %s", async (_what, output) => {
    await install("claude", fake(output));
    const run = await start({ preset: "claude-code", prompt: "x" });
    expect(run).toMatchObject({ status: "succeeded", result: null });
  });

  test("bound and mask the result", async () => {
    await install(
      "claude",
      `#!/bin/sh
i=0; while [ $i -lt 100000 ]; do echo "noise $i"; i=$((i+1)); done
printf '{"type":"result","result":"%s \\u0000 ' "$KEY"
head -c 40000 /dev/zero | tr '\\0' x | sed 's/x/\u00e9/g'; echo '"}'
`,
    );
    const env = { KEY: "a-secret-value" };
    const { result, exit_code } = await start({ preset: "claude-code", prompt: "x", env });
    expect(exit_code).toBe(0);
    expect(result).toMatch(/^\*\*\*  é+…$/);
    expect(Buffer.byteLength(result ?? "")).toBeLessThanOrEqual(16 * 1024);
    expect(Buffer.byteLength(result ?? "")).toBeGreaterThan(16 * 1024 - 4);
  });

  test("keep the result of a program that fails", async () => {
    await install(
      "claude",
      `#!/bin/sh\n[ "$1" != --version ] || exit 0\necho '{"type":"result","result":"no key"}'; exit 1\n`,
    );
    const run = await start({ preset: "claude-code", prompt: "x" });
    expect(run).toMatchObject({ status: "failed", exit_code: 1, result: "no key" });
  });

  test("tell in the log what the program does, and keep its raw output", async () => {
    const of = (content: object) =>
      JSON.stringify({ type: "assistant", message: { content: [content] } });
    const large = JSON.stringify({
      type: "user",
      message: { content: [{ type: "tool_result", content: "y".repeat(100_000) }] },
    });
    const lines = [
      of({ type: "tool_use", name: "Edit", input: { file_path: "src/a.ts" } }),
      "a warning",
      of({ type: "text", text: "It is\n\u001b[31mdone\u001b[0m, *** \\ok." }),
      large,
      '{"type":"result","result":"done"',
    ];
    // The secret is hidden by an escape of JSON.
    const output = lines.join("\n").replace("***", String.raw`a-se\u0063ret-value`);
    await install("claude", fake(output));
    const env = { KEY: "a-secret-value" };
    const run = await start({ preset: "claude-code", prompt: "x", env });
    const path = `/api/v1/runs/${run.id}/logs`;
    const read = async (query: string) =>
      (await send(app, "GET", path + query, { token: owner.token })).text;
    const told =
      '> Edit src/a.ts\na warning\nIt is\ndone, *** \\ok.\n{"type":"result","result":"done"\n';
    expect(await read("?stream=stdout")).toBe(told);
    expect(await read("?stream=stdout&tail=2")).toBe(told.split("\n").slice(-3).join("\n"));
    expect(await read("?stream=stdout&raw=true")).toBe(`${output}\n`);
    expect(await read("?stream=stdout&raw=true&tail=2")).toBe(`${large}\n${lines.at(-1)}\n`);
    const { events } = await followLog(app, owner, run.id);
    const shown = events.filter(({ stream }) => stream === "stdout");
    expect(shown.map(({ text }) => text).join("")).toBe(told);
    expect(shown.every((event) => event.text !== "" && !("raw" in event))).toBe(true);
    const params = { org_id: project.organization_id };
    const { data: work } = await owner.api.overview.work({ params });
    expect(JSON.stringify(work)).toContain(JSON.stringify('{"type":"result","result":"done"'));
  });

  test("use the task of the agent unless a prompt is given", async () => {
    await install("claude", fake('{"type":"result","result":"ok"}'));
    const { agent } = await makeWorkspace(owner, project.id);
    const params = { agent_id: agent.id };
    const body: NewRun = { preset: "claude-code" };
    const missing = await expectProblem(
      owner.api.runs.create({ params, body }),
      422,
      "validation_failed",
    );
    expect(missing.errors).toEqual([
      {
        loc: ["body", "prompt"],
        msg: "is required, because the agent has no task",
        type: "missing",
      },
    ]);
    const task = { title: "Fix it", text: "Fix the bug." };
    await owner.api.agents.update({ params, body: { task } });
    expect(await start(body, agent.id)).toMatchObject({ prompt: task.text, result: "ok" });
    const other = await start({ ...body, prompt: "Another" }, agent.id);
    expect(other).toMatchObject({ prompt: "Another" });
  });

  test("take other hosts and networks", async () => {
    const preset: PresetName = "claude-code";
    const hosts = ["example.com"];
    expect(await start({ preset, prompt: "x", allowed_hosts: hosts })).toMatchObject({
      network: "restricted",
      allowed_hosts: hosts,
    });
    expect(await start({ preset, prompt: "x", network: "none" })).toMatchObject({
      network: "none",
      allowed_hosts: null,
    });
    const custom = await start({ preset: "custom", command: shell('echo "$OMOI_URL"') });
    expect(custom).toMatchObject({ preset: "custom", network: "restricted", allowed_hosts: [] });
    expect(custom).toMatchObject({ prompt: null, model: null, result: null, exit_code: 0 });
  });

  test.each<[string, NewRun, string]>([
    ["a command and a preset", { preset: "codex", prompt: "x", command: ["a"] }, "command"],
    ["a prompt without a preset", { prompt: "x", command: ["a"] }, "prompt"],
    ["a model without a preset", { model: "x", command: ["a"] }, "model"],
    ["custom without a command", { preset: "custom" }, "command"],
    ["custom with a prompt", { preset: "custom", command: ["a"], prompt: "x" }, "prompt"],
    ["an empty prompt", { preset: "codex", prompt: " \n" }, "prompt"],
    ["a prompt above 16 KiB", { preset: "codex", prompt: "é".repeat(8193) }, "prompt"],
    ["NUL in a prompt", { preset: "codex", prompt: "a\u0000b" }, "prompt"],
    ["a model that looks like an option", { preset: "codex", prompt: "x", model: "-c" }, "model"],
    [
      "hosts without a restricted network",
      { preset: "codex", prompt: "x", network: "none", allowed_hosts: [] },
      "allowed_hosts",
    ],
    ["a preset elsewhere", { external: true, preset: "codex" }, "preset"],
  ])("refuse %s", async (_what, body, field) => {
    const { agent } = await makeWorkspace(owner, project.id);
    const params = { agent_id: agent.id };
    const request = owner.api.runs.create({ params, body });
    const problem = await expectProblem(request, 422, "validation_failed");
    expect(problem.errors?.map(({ loc }) => loc)).toEqual([["body", field]]);
  });

  test("a prompt of exactly 16 KiB is accepted", async () => {
    await install("claude", fake('{"type":"result","result":"ok"}'));
    const prompt = "é".repeat(8192);
    expect(await start({ preset: "claude-code", prompt })).toMatchObject({ result: "ok", prompt });
  });

  test("a program that another one did not find is not taken for the other one", async () => {
    const install127 = "on the server's machine: npm install --global @anthropic-ai/claude-code";
    await install("claude", '#!/bin/sh\n[ "$1" = --version ] || no-such-program\n');
    expect((await start({ preset: "claude-code", prompt: "x" })).detail).toBe(
      `The program claude, or a program that it started, was not found (exit code 127); the end of the log names it. If it is claude, install it ${install127}`,
    );
  });

  test("exit codes 126 and 127 are explained", async () => {
    await rm(join(tools, "claude"), { force: true });
    await rm(join(tools, "codex"), { force: true });
    const install127 = "on the server's machine: npm install --global @anthropic-ai/claude-code";
    // A PATH of its own may have the program.
    const env = { PATH: "/usr/bin:/bin" };
    const ofPreset = await start({ preset: "claude-code", prompt: "x", env });
    expect(ofPreset).toMatchObject({
      status: "failed",
      exit_code: 127,
      detail: `The program claude was not found (exit code 127). Install it ${install127}`,
    });
    expect((await start({ preset: "codex", prompt: "like claude", env })).detail).toBe(
      "The program codex, or a program that it started, was not found (exit code 127); the end of the log names it. If it is codex, install it on the server's machine: npm install --global @openai/codex",
    );
    const inShell = await start({ command: shell("claude -p hello") });
    expect(inShell.detail).toBe(
      `A program that it started was not found (exit code 127); the end of the log names it. If it is claude, install it ${install127}`,
    );
    const unknown = await start({ command: ["no-such-program"] });
    expect(unknown.detail).toBe("The program no-such-program was not found (exit code 127).");
    await install("locked", "echo\n", 0o644);
    expect(await start({ command: [join(tools, "locked")] })).toMatchObject({
      exit_code: 126,
      detail: `The program ${tools}/locked cannot be executed (exit code 126); make it executable, or start it by its interpreter, such as sh.`,
    });
    const locked = await start({ command: shell(`${tools}/locked`) });
    expect(locked.detail).toBe(
      "A program that it started cannot be executed (exit code 126); the end of the log names it.",
    );
  });
});

describe("presets without a restricted network", () => {
  test("say why they cannot start", async () => {
    const app = await startTestApp({ OMOI_SANDBOX: "off" }, "real");
    const person = await app.person();
    const { data } = await person.api.presets.list();
    const reason = "Commands run without a sandbox here, so their network cannot be restricted.";
    expect(data[0]).toMatchObject({ available: false });
    expect(data[0]?.reason).toContain(reason);
    expect(data.at(-1)).toMatchObject({ name: "custom", available: true, reason });
    await app.close();
  });

  test("are missing without a sandbox", async () => {
    const app = await startTestApp();
    const person = await app.person();
    const { data } = await person.api.presets.list();
    expect(new Set(data.map(({ available }) => available))).toEqual(new Set([false]));
    expect(data[0]?.reason).toBe("This test has no sandbox.");
    await app.close();
  });
});
