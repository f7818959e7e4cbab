/** Output of presets' programs, told as text. */
import { expect, test } from "vitest";
import type { PresetName } from "#shared/execution/run-choices.js";
import { tellerOf } from "../presets/presets.js";
import type { Teller } from "./teller.js";

/** Tells entries, and lines as they are. */
function tell(preset: PresetName, entries: readonly unknown[]): (string | null)[] {
  const teller = tellerOf(preset) as Teller;
  const told = entries.map((entry) =>
    teller.tell(typeof entry === "string" ? entry : JSON.stringify(entry)),
  );
  const rest = teller.end();
  return rest === "" ? told : [...told, rest];
}

const ofClaude = (...content: object[]) => ({ type: "assistant", message: { content } });

test("Claude Code reads, edits, runs and says", () => {
  const use = (name: string, input: object) => ofClaude({ type: "tool_use", name, input });
  const told = tell("claude-code", [
    { type: "system", subtype: "init", tools: ["Read"] },
    ofClaude({ type: "text", text: "I look\nfirst." }),
    use("Read", { file_path: "src/a.ts" }),
    use("Edit", { file_path: "src/a.ts", old_string: "a", new_string: "b" }),
    use("Bash", { command: "npm test\nnpm run check", description: "x" }),
    { type: "user", message: { content: [{ type: "tool_result", content: "long" }] } },
    {
      type: "user",
      message: {
        content: [{ type: "tool_result", is_error: true, content: [{ type: "text", text: "no" }] }],
      },
    },
    use("mcp__github__issue", {}),
    ofClaude({ type: "text", text: "Done." }),
    { type: "result", result: "Done.", total_cost_usd: 0.1 },
  ]);
  expect(told).toEqual([
    "",
    "I look\nfirst.\n",
    "> Read src/a.ts\n",
    "> Edit src/a.ts\n",
    "> Run npm test ↵ npm run check\n",
    "",
    "! no\n",
    "> Use mcp__github__issue\n",
    "Done.\n",
    "",
  ]);
  // An error is said by the result alone.
  expect(tell("claude-code", [{ type: "result", result: "Not logged in" }])).toEqual([
    "Not logged in\n",
  ]);
});

test("Codex runs commands, changes files and says", () => {
  const item = (kind: string, more: object) => ({ type: `item.${kind}`, item: more });
  const told = tell("codex", [
    { type: "thread.started", thread_id: "x" },
    item("started", { type: "command_execution", command: "bash -lc 'npm test'" }),
    item("completed", { type: "command_execution", command: "npm test", exit_code: 1 }),
    item("completed", {
      type: "file_change",
      changes: [
        { path: "a.ts", kind: "update" },
        { path: "b.ts", kind: "add" },
      ],
    }),
    item("completed", { type: "reasoning", text: "hm" }),
    item("completed", { type: "agent_message", text: "Done." }),
    { type: "turn.completed", usage: { input_tokens: 1 } },
    { type: "turn.failed", error: { message: "no quota" } },
  ]);
  expect(told).toEqual([
    "",
    "> Run bash -lc 'npm test'\n",
    "! Exit code 1\n",
    "> Edit a.ts\n> Write b.ts\n",
    "",
    "Done.\n",
    "",
    "! no quota\n",
  ]);
});

test("Gemini CLI says a message in pieces, by whole lines", () => {
  const part = (content: string) => ({ type: "message", role: "assistant", content, delta: true });
  const told = tell("gemini", [
    { type: "init", session_id: "x", model: "pro" },
    { type: "message", role: "user", content: "prompt" },
    part("I lo"),
    part("ok.\nThen"),
    { type: "tool_use", tool_name: "read_file", tool_id: "1", parameters: { file_path: "a.ts" } },
    { type: "tool_result", tool_id: "1", status: "error", error: { message: "gone" } },
    part("Done."),
    { type: "result", status: "success", stats: {} },
  ]);
  const expected = ["", "", "", "I look.\n", "Then\n> Read a.ts\n", "! gone\n", "", "", "Done.\n"];
  expect(told).toEqual(expected);
});

test("OpenCode calls tools and says", () => {
  const told = tell("opencode", [
    { type: "step_start", part: {} },
    {
      type: "tool_use",
      part: { tool: "bash", state: { status: "completed", input: { command: "ls" } } },
    },
    {
      type: "tool_use",
      part: { tool: "read", state: { status: "error", input: { filePath: "a" }, error: "gone" } },
    },
    { type: "text", part: { type: "text", text: "Done." } },
    { type: "error", error: { name: "APIError", data: { message: "no key" } } },
  ]);
  expect(told).toEqual(["", "> Run ls\n", "> Read a\n! gone\n", "Done.\n", "! no key\n"]);
});

test.each<PresetName>(["claude-code", "codex", "gemini", "opencode"])(
  "%s leaves other lines as they are",
  (preset) => {
    const others = ["{", "{}", "[]", "null", '{"type":{}}', '{"type":"new"}', "[".repeat(100_000)];
    expect(tell(preset, others)).toEqual(others.map(() => null));
  },
);

test.each<[PresetName, object]>([
  ["claude-code", { type: "assistant", message: { content: { a: 1 } } }],
  [
    "claude-code",
    { type: "assistant", message: { content: [null, 1, "x", { type: "text", text: {} }] } },
  ],
  ["claude-code", { type: "user", message: "x" }],
  ["codex", { type: "item.completed", item: { type: "file_change", changes: "x" } }],
  ["opencode", { type: "tool_use", part: null }],
])("%s survives other shapes: %o", (preset, entry) => {
  expect(tell(preset, [entry]).join("")).toMatch(/^(> Use a tool\n)?$/);
});

test("messages and actions are bounded, and have no control characters", () => {
  const shown = (text: string) => tell("claude-code", [ofClaude({ type: "text", text })])[0] ?? "";
  expect(shown("a\u001b[31mb\u001b[0m\u0007\r\nc\u0000\td")).toBe("ab\nc\td\n");
  expect(shown("x".repeat(16 * 1024))).toBe(`${"x".repeat(16 * 1024)}\n`);
  expect(shown("x".repeat(16 * 1024 + 1))).toBe(`${"x".repeat(16 * 1024 - 1)}…\n`);
  const ran = (command: string) =>
    tell("claude-code", [ofClaude({ type: "tool_use", name: "Bash", input: { command } })])[0];
  expect(ran("x".repeat(296))).toBe(`> Run ${"x".repeat(296)}\n`);
  expect(ran("x".repeat(297))).toBe(`> Run ${"x".repeat(295)}…\n`);
  const part = (content: string) => ({ type: "message", role: "assistant", content, delta: true });
  const pieces = tell(
    "gemini",
    Array.from({ length: 17 }, () => part("x".repeat(1024))),
  );
  expect(pieces.map((piece) => piece?.length)).toEqual([...Array<number>(16).fill(0), 17 * 1024]);
});
