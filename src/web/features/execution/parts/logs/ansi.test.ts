import { expect, test } from "vitest";
import { carriedStyles, cleanLine, readableColor, segmentsOf, textOf } from "./ansi.js";
import { createLogLines } from "./log-lines.js";

const at = "2026-01-01T00:00:00.000Z";

test.each([
  ["a title", "\u001b]0;owned\u0007text"],
  ["a link", "\u001b]8;;https://evil.example\u001b\\text\u001b]8;;\u001b\\"],
  ["the clipboard", "\u001b]52;c;b3duZWQ=\u0007text"],
  ["a move of the cursor", "\u001b[2J\u001b[1;1Htext\u001b[?25l"],
  ["a progress bar", "10 %\r50 %\rtext"],
  ["a line feed of Windows", "text\r"],
])("%s is not obeyed", (_, line) => {
  expect(cleanLine(line)).toBe("text");
});

test("characters that are invisible or reorder a line are written out", () => {
  expect(cleanLine("a\u202eb\u0008")).toBe("a⟨U+202E⟩b⟨U+0008⟩");
});

test("colors are parsed, and the segments make up the text", () => {
  const clean = cleanLine("\u001b[1;31mred\u001b[0m plain \u001b[38;2;0;0;0mhidden?\u001b[0m");
  const segments = segmentsOf("", clean);
  expect(segments.map(({ text }) => text).join("")).toBe(textOf(clean));
  expect(textOf(clean)).toBe("red plain hidden?");
  expect(segments[0]).toMatchObject({ text: "red", isBold: true });
  expect(segments.at(-1)?.color).not.toBe("#000000");
  expect(carriedStyles("\u001b[32mon")).toBe("\u001b[32m");
  expect(carriedStyles("\u001b[32mon\u001b[0m")).toBe("");
});

test("a color of low contrast is adjusted", () => {
  expect(readableColor("#ffffff", "#000000")).toBe("#ffffff");
  expect(readableColor("#15161a", "#15161a")).not.toBe("#15161a");
});

test("entries are assembled into lines by stream; the oldest are dropped", () => {
  const log = createLogLines(10);
  log.append([
    { stream: "stdout", at, text: "one\ntw" },
    { stream: "stderr", at, text: "bad\n" },
    { stream: "stdout", at, text: "o\n" },
  ]);
  expect(log.lines.map(({ stream, text }) => [stream, text])).toEqual([
    ["stdout", "one"],
    ["stdout", "two"],
    ["stderr", "bad"],
  ]);
  log.append([{ stream: "stdout", at, text: "x\n".repeat(20) }]);
  expect(log.dropped).toBe(13);
  expect(log.lines[0]?.number).toBe(13);
});
