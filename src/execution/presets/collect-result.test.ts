/** Results read from the end of an output. */
import { afterEach, expect, test, vi } from "vitest";
import type { PresetName } from "#shared/execution/run-choices.js";
import { createMasker } from "../logs/mask-secrets.js";
import { collectResult } from "./collect-result.js";

const masker = createMasker([], "sk_live_");
afterEach(() => vi.restoreAllMocks());

/** Reads a result from an output in chunks that are overwritten afterwards. */
function resultOf(output: string, size = 65_536, preset: PresetName = "claude-code") {
  const collector = collectResult(preset, masker);
  const bytes = Buffer.from(output);
  for (let at = 0; at < bytes.length; at += size) {
    const chunk = Buffer.from(bytes.subarray(at, at + size));
    collector?.add(chunk);
    chunk.fill(0);
  }
  return collector?.read();
}

const line = (result: string): string => JSON.stringify({ type: "result", result });

test.each([1, 7, 1000, 262_143, 262_144, 262_145, 1_000_000])(
  "are found at the end of a long output in chunks of %i bytes",
  (size) => {
    const noise = `${line("first")}\n${"noise\n".repeat(60_000)}`;
    expect(resultOf(`${noise}${line("last é")}\n`, size)).toBe("last é");
    expect(resultOf(noise, size)).toBeNull();
    expect(resultOf(`${line("only")}\n`, size)).toBe("only");
  },
);

test("are found in an output of exactly the kept length", () => {
  const end = `\n${line("x")}`;
  expect(resultOf("n".repeat(256 * 1024 - end.length) + end)).toBe("x");
  const start = `${line("x")}\n`;
  const whole = start + "n".repeat(256 * 1024 - start.length);
  expect(resultOf(whole)).toBe("x");
  expect(resultOf(`${whole}n`)).toBeNull();
});

test("cost a bounded number of attempts", () => {
  const parse = vi.spyOn(JSON, "parse");
  expect(resultOf(`${line("x")}\n${"{\n{}x\n".repeat(20_000)}`)).toBe("x");
  expect(parse).toHaveBeenCalledTimes(1);
  parse.mockClear();
  expect(resultOf(`${line("x")}\n${"{}\n".repeat(20_000)}`)).toBeNull();
  expect(parse).toHaveBeenCalledTimes(200);
});

test("are found before other lines", () => {
  expect(resultOf(`${line("last")}\r\nbye\n`)).toBe("last");
});

test("are joined from the pieces of a message", () => {
  const part = (content: string, delta = true) =>
    `${JSON.stringify({ type: "message", role: "assistant", content, delta })}\n`;
  const tool = '{"type":"tool_use"}\n{"type":"tool_result"}\n';
  const end = '{"type":"result","status":"success"}\n';
  const resultOfGemini = (output: string) => resultOf(output, 65_536, "gemini");
  expect(resultOfGemini(part("no") + tool + part("la") + part("st") + end)).toBe("last");
  expect(resultOfGemini(part("no") + part("last", false) + end)).toBe("last");
  expect(resultOfGemini(part("x").repeat(2001))).toHaveLength(2000);
  expect(resultOfGemini(tool + end)).toBeNull();
});
