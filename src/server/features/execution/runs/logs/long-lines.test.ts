import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { lastLines, logText, MAX_TAIL_LINE, openLogReader } from "./log-reader.js";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "omoi-long-lines-"));
});
afterAll(() => rm(folder, { recursive: true }));

/** Returns the last lines of a log, and the number of reads. */
async function readTail(
  texts: readonly string[],
  count: number,
  stream?: "stdout" | "stderr",
): Promise<{ text: string; reads: number }> {
  const path = join(folder, "log");
  const at = "2026-11-30T12:00:00.000Z";
  const entries = texts.map((text) => JSON.stringify({ stream: "stdout", at, text }));
  const stderr = JSON.stringify({ stream: "stderr", at, text: "warning\n" });
  await writeFile(path, `${stderr}\n${entries.join("\n")}\n`);
  let reads = 0;
  const reader = await openLogReader(path, (work) => {
    reads += 1;
    return work();
  });
  if (reader === null) throw new Error("the log is missing");
  const span = await lastLines(reader, { stream }, count);
  let text = "";
  for await (const piece of logText(reader, { stream, times: false }, span)) text += piece;
  await reader.close();
  return { text, reads };
}

/** The entries of output without line breaks, as long as those of a run. */
const piece = "0123456789".repeat(1000);

test("the end of a log of one line of 60 MB is found without reading the rest", async () => {
  const { text, reads } = await readTail(
    Array.from({ length: 6000 }, () => piece),
    1,
  );
  expect(text === piece.repeat(200).slice(-MAX_TAIL_LINE)).toBe(true);
  // Pieces of 64 KiB of the last MiB, backwards and forwards; the whole log has a thousand.
  expect(reads).toBeLessThan(60);
});

test("a line of the maximum length is whole, and one character more cuts it", async () => {
  const longest = "x".repeat(MAX_TAIL_LINE);
  const halves = [longest.slice(0, 600_000), longest.slice(600_000)];
  const before = ["a\n", "b\n"];
  expect((await readTail([...before, ...halves, "\nend\n"], 3)).text).toBe(`b\n${longest}\nend\n`);
  expect((await readTail([...before, ...halves, "y\nend\n"], 3)).text).toBe(
    `${longest.slice(1)}y\nend\n`,
  );
  expect((await readTail([...before, ...halves, "y"], 1)).text).toBe(`${longest.slice(1)}y`);
  // Only the lines that were asked for are measured.
  expect((await readTail([...halves, "y\nc\nd\n"], 2)).text).toBe("c\nd\n");
  expect((await readTail([...halves, "y\n"], 1, "stderr")).text).toBe("warning\n");
});

test("a cut leaves no half of a character", async () => {
  const emoji = Array.from({ length: 64 }, () => "😀".repeat(10_000));
  const { text } = await readTail([...emoji, "xyz"], 1);
  expect(text.length).toBe(MAX_TAIL_LINE - 1);
  expect(Buffer.from(text).toString() === text).toBe(true);
});
