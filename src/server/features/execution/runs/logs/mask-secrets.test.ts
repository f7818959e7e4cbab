import { mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { LogEntry } from "#shared/api/execution/runs.js";
import { lastLines, logText, openLogReader, type LogText } from "./log-reader.js";
import { openLog } from "#execution/logs/log-writer.js";
import { createMasker, UnmaskableError } from "#execution/logs/mask-secrets.js";

const keyLike = `sk_live_${"Ab3".repeat(12)}`;

describe("secrets in output", () => {
  const masker = createMasker(["hunter2hunter2", "first line\nsecond line", "on"], "sk_live_");

  test.each([
    ["the password is hunter2hunter2!", "the password is ***!"],
    ["first line", "***"],
    ["and second line too", "and *** too"],
    ["turn it on", "turn it on"],
    [`key=${keyLike} end`, "key=*** end"],
    [`ghp_${"a".repeat(36)}`, "***"],
    [Buffer.from("hunter2hunter2").toString("base64"), "***"],
    ["a desk-and-chair", "a desk-and-chair"],
  ])("%j becomes %j", (text, masked) => {
    expect(masker.mask(text)).toBe(masked);
  });

  test.each([
    ["so far hunter2h", "so far "],
    ["so far hunter2hunter2", "so far "],
    ["so far hunter2hunter2, hunter3", "so far ***, hunter3"],
    ["so far sk_liv", "so far "],
    ["so far sk_live_abc", "so far "],
    ["so far desk_live_abc", "so far desk_live_abc"],
    ["so far 45%", "so far 45%"],
  ])("of %j, the text %j can be shown before more output arrives", (text, shown) => {
    const stream = masker.open();
    expect(stream.write(text)).toBe(shown);
    expect(shown + stream.end()).toBe(masker.mask(text));
  });

  test("overlapping secrets are masked as one, wherever the text is split", () => {
    const overlapping = createMasker(["abcdefgh", "efghijkl", "ijklmnop"], "sk_live_");
    const text = "-abcdefghijklmnop-abcdefgh-abcdefghabcdefgh-";
    expect(overlapping.mask(text)).toBe("-***-***-******-");
    for (let cut = 0; cut <= text.length; cut += 1) {
      const stream = overlapping.open();
      const pieces = [stream.write(text.slice(0, cut)), stream.write(text.slice(cut))];
      expect(pieces.join("") + stream.end()).toBe(overlapping.mask(text));
    }
  });

  test("chunks of any size give the same result as the whole text", () => {
    const piece = fc.stringMatching(/^[abx\n-]{0,12}$|^sk_live_[A-Za-z0-9]{1,40}$/);
    const secret = fc.stringMatching(/^[ab\n]{6,14}$/);
    fc.assert(
      fc.property(fc.array(secret, { maxLength: 4 }), fc.array(piece), (secrets, pieces) => {
        const any = createMasker(secrets, "sk_live_");
        const stream = any.open();
        const streamed = pieces.map((text) => stream.write(text)).join("") + stream.end();
        expect(streamed).toBe(any.mask(pieces.join("")));
        const literals = secrets.flatMap((value) => value.split("\n"));
        const shown = literals.filter((text) => text.length >= 6 && streamed.includes(text));
        expect(shown).toEqual([]);
      }),
    );
  });

  test("a secret of 31,000 characters is masked in time linear in the output", () => {
    const long = createMasker([`${"a".repeat(31_000)}b`], "sk_live_");
    const stream = long.open();
    const piece = "a".repeat(16_384);
    let shown = "";
    for (let count = 0; count < 64; count += 1) shown += stream.write(piece);
    shown += stream.write("b") + stream.end();
    expect(shown === `${"a".repeat(64 * piece.length - 31_000)}***`).toBe(true);
  });

  test("values that are too large to be hidden are refused", () => {
    const large = Array.from({ length: 40 }, (_, index) => `${index}${"é".repeat(6000)}`);
    expect(() => createMasker(large, "sk_live_")).toThrow(UnmaskableError);
  });
});

describe("a log", () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "omoi-log-"));
  });
  afterAll(() => rm(folder, { recursive: true }));

  let made = 0;
  const failed = (error: unknown): never => {
    throw error;
  };
  const open = async (maxBytes = 1e6, secrets: string[] = []) => {
    const path = join(folder, "of-org", `${(made += 1)}.log`);
    const masker = createMasker(secrets, "sk_live_");
    const log = await openLog({ path, masker, maxBytes, written: () => {}, failed });
    const entries = async () =>
      (await readFile(path, "utf8"))
        .split("\n")
        .filter((line) => line !== "")
        .map((line) => JSON.parse(line) as LogEntry);
    return { path, log, entries };
  };

  test("keeps every byte of two streams, however they are split", async () => {
    const { log, entries } = await open();
    const text = Array.from({ length: 500 }, (_, line) => `${line} äöü 😀 €\n`).join("");
    const bytes = Buffer.from(text);
    for (let at = 0; at < bytes.length; at += 7) {
      await log.write("stdout", bytes.subarray(at, at + 7));
      await log.write("stderr", bytes.subarray(at, at + 7));
    }
    await log.close();
    const of = async (stream: string) =>
      (await entries())
        .filter((entry) => entry.stream === stream)
        .map((entry) => entry.text)
        .join("");
    expect(await of("stdout")).toBe(text);
    expect(await of("stderr")).toBe(text);
    expect(log.bytes).toBe(2 * bytes.length);
  });

  test.each([1, 3, 8, 20])("masks secrets that arrive %i bytes at a time", async (size) => {
    const { log, entries } = await open(1e6, ["correct horse battery"]);
    const bytes = Buffer.from(
      `a correct horse battery b ${keyLike} c\nno end: correct horse battery`,
    );
    for (let at = 0; at < bytes.length; at += size) {
      await log.write("stdout", bytes.subarray(at, at + size));
    }
    await log.close();
    const text = (await entries()).map((entry) => entry.text).join("");
    expect(text).toBe("a *** b *** c\nno end: ***");
  });

  test("shows an unfinished line, except for the possible beginning of a secret", async () => {
    const { log, entries } = await open(1e6, ["correct horse battery"]);
    await log.write("stdout", Buffer.from("Password? corr"));
    await expect
      .poll(async () => (await entries()).map(({ text }) => text))
      .toEqual(["Password? "]);
    await log.write("stdout", Buffer.from("ect horse battery\n"));
    await log.close();
    expect((await entries()).map(({ text }) => text)).toEqual(["Password? ", "***\n"]);
  });

  test("ends at its size limit with a note and continues to count bytes", async () => {
    const line = JSON.stringify({ stream: "stdout", at: new Date().toISOString(), text: "" });
    const { log, entries } = await open(line.length + 1 + 11);
    await log.write("stdout", Buffer.from("12345678ä\u{1f600}0"));
    await log.write("stdout", Buffer.from("more\n"));
    await log.write("stderr", Buffer.from("more\n"));
    await log.close();
    const found = await entries();
    expect(found.map(({ stream }) => stream)).toEqual(["stdout", "system"]);
    expect(found[0]?.text).toBe("12345678ä");
    expect(found[1]?.text).toContain("is dropped");
    expect([log.bytes, log.truncated]).toEqual([25, true]);
  });

  test.each([
    ["a line break after each letter", () => Buffer.from("a\n"), 10_000],
    ["control characters", () => Buffer.alloc(4096, 1), 40],
  ])("of %s stays within its size limit", async (_name, piece, count) => {
    const maxBytes = 100_000;
    const { path, log, entries } = await open(maxBytes);
    for (let at = 0; at < count; at += 1) await log.write("stdout", piece());
    await log.close();
    const marks = (await entries()).filter(({ stream }) => stream === "system");
    expect(marks).toHaveLength(1);
    const { size } = await stat(path);
    expect(size - JSON.stringify(marks[0]).length - 1).toBeLessThanOrEqual(maxBytes);
    expect(size).toBeGreaterThan(maxBytes - 200);
  });

  test("without line breaks has entries of bounded length and splits no character", async () => {
    const { log, entries } = await open(1e7);
    const text = "\u{1f600}".repeat(100_000);
    await log.write("stdout", Buffer.from(`x${text}`));
    await log.close();
    const texts = (await entries()).map((entry) => entry.text);
    expect(Math.max(...texts.map(({ length }) => length))).toBeLessThanOrEqual(16 * 1024);
    expect(texts.join("") === `x${text}`).toBe(true);
    expect(texts.every((part) => Buffer.from(part).toString() === part)).toBe(true);
  });

  test("can be read as text, with times, by stream and from its end", async () => {
    const { path, log } = await open(1e7);
    for (let line = 0; line < 20_000; line += 1) {
      void log.write(line % 10 === 0 ? "stderr" : "stdout", Buffer.from(`line ${line}\n`));
    }
    await log.close();
    const reader = await openLogReader(path, (work) => work());
    if (!reader) throw new Error("no log");
    const all = async (stream?: "stdout" | "stderr", times = false) => {
      let text = "";
      for await (const piece of logText(reader, { stream, times })) text += piece;
      return text.split("\n").slice(0, -1);
    };
    expect(await all()).toHaveLength(20_000);
    expect(await all("stderr")).toHaveLength(2000);
    const timed = await all(undefined, true);
    expect(timed).toHaveLength(20_000);
    for (const line of timed.slice(0, 100)) {
      expect(line).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (stdout|stderr) line \d+$/);
    }
    const plain = { stream: undefined, times: false };
    const tail = async (count: number, options: LogText = plain) => {
      let text = "";
      const span = await lastLines(reader, options, count);
      for await (const piece of logText(reader, options, span)) text += piece;
      return text;
    };
    expect(await tail(2)).toBe("line 19998\nline 19999\n");
    expect((await tail(15_000)).split("\n")).toHaveLength(15_001);
    expect((await tail(50_000)).split("\n")).toHaveLength(20_001);
    expect(await tail(1, { ...plain, stream: "stderr" })).toBe("line 19990\n");
    expect(await tail(1, { ...plain, times: true })).toMatch(/^\S+Z stdout line 19999\n$/);
    await reader.close();
  });

  test.each([
    [1, "c"],
    [2, "b".repeat(300_000) + "\nc"],
    [3, `\n${"b".repeat(300_000)}\nc`],
    [9, `${"a".repeat(300_000)}\n\n${"b".repeat(300_000)}\nc`],
  ])("can be read from its end if lines are longer than a chunk: %i", async (count, expected) => {
    const { path, log } = await open(1e7);
    const text = `${"a".repeat(300_000)}\n\n${"b".repeat(300_000)}\nc`;
    await log.write("stdout", Buffer.from(text));
    await log.close();
    const reader = await openLogReader(path, (work) => work());
    if (!reader) throw new Error("no log");
    let shown = "";
    const span = await lastLines(reader, {}, count);
    for await (const piece of logText(reader, { times: false }, span)) shown += piece;
    expect(shown === expected).toBe(true);
    await reader.close();
  });
});
