import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { lastLine, lastLineOfLog, lastLineOfTranscript } from "./last-line.js";

let folder: string;
let path: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "omoi-last-line-"));
  path = join(folder, "file");
});
afterAll(() => rm(folder, { recursive: true }));

const lines = (...entries: object[]): Promise<void> =>
  writeFile(path, entries.map((entry) => `${JSON.stringify(entry)}\n`).join(""));
const out = (text: string, stream = "stdout") => ({ stream, at: "2026-11-28T09:00:00.000Z", text });
const event = (type: string, rest: object) => ({ type, ...rest, at: "2026-11-28T09:00:00.000Z" });

test("strips escape sequences and control characters, and bounds the length", () => {
  expect(lastLine("one\n\u001b[31mtwo\u001b[0m \n\n")).toBe("two");
  expect(lastLine("10 %\r50 %\r")).toBe("50 %");
  expect(lastLine("a\u0000b\u0007\tc")).toBe("a b c");
  expect(lastLine("\u001b]8;;http://x\u0007link\u001b]8;;\u0007")).toBe("link");
  expect(lastLine(" \n\u001b[2K\n")).toBeNull();
  expect(Array.from(lastLine("😀".repeat(300)) ?? "")).toHaveLength(200);
});

test("reads the end of a log, whose entries may hold parts of lines", async () => {
  expect(await lastLineOfLog(join(folder, "missing"))).toBeNull();
  await lines();
  expect(await lastLineOfLog(path)).toBeNull();
  await lines(out("first\nsec"), out("ond"), out("\n"));
  expect(await lastLineOfLog(path)).toBe("second");
  await lines(out("half"), out("other\n", "stderr"));
  expect(await lastLineOfLog(path)).toBe("other");
});

test("reads an entry that is longer than the end of the file", async () => {
  await lines(out(`${"x".repeat(6000)}\n${'é\\"\n'.repeat(2000)}the "end"\n`));
  expect(await lastLineOfLog(path)).toBe('the "end"');
  await lines(event("message", { text: `${"y\n".repeat(6000)}done` }));
  expect(await lastLineOfTranscript(path)).toBe("done");
});

test("reads the text before raw output that is not told", async () => {
  const raw = (length: number) => `{"a":"${"x".repeat(length)}"}\n`;
  const told = (length: number, text: string) => {
    const { stream, at } = out("");
    return { stream, at, raw: raw(length), text };
  };
  await lines(told(10, "> Read a.ts\n"), told(10, ""));
  expect(await lastLineOfLog(path)).toBe("> Read a.ts");
  await lines(told(10, "> Read a.ts\n"), told(9000, "> Run npm test\n"));
  expect(await lastLineOfLog(path)).toBe("> Run npm test");
  const results = Array.from({ length: 10 }, () => told(9000, ""));
  await lines(told(10, "> Read a.ts\n"), ...results);
  expect(await lastLineOfLog(path)).toBe("> Read a.ts");
});

test("ignores an entry that is still being written", async () => {
  await writeFile(path, `${JSON.stringify(out("whole\n"))}\n{"stream":"stdout","at":"2026`);
  expect(await lastLineOfLog(path)).toBe("whole");
});

test("reads the last message or tool call of a session", async () => {
  await lines(event("prompt", { text: "Hello" }), event("message", { text: "I will\nlook " }));
  expect(await lastLineOfTranscript(path)).toBe("look");
  await lines(event("message", { text: "loo" }), event("message", { text: "king" }));
  expect(await lastLineOfTranscript(path)).toBe("looking");
  await lines(
    event("message", { text: "looking" }),
    event("tool_call", { tool_call_id: "1", title: "Edit a.txt" }),
    event("tool_call", { tool_call_id: "1", status: "completed" }),
    event("thought", { text: "hm" }),
  );
  expect(await lastLineOfTranscript(path)).toBe("Edit a.txt");
});
