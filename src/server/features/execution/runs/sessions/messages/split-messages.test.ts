import { expect, test } from "vitest";
import {
  MAX_BATCH,
  MAX_MESSAGE_BYTES,
  MessageSplitter,
  MessageTooLargeError,
} from "./split-messages.js";

const split = (splitter: MessageSplitter, text: string): [string, number][] =>
  [...splitter.take(Buffer.from(text))].map(({ lines, count }) => [lines.toString(), count]);

test("lines are complete, in whatever pieces they come", () => {
  const text = "one\n\nтри\nfour\nend";
  const bytes = Buffer.from(text);
  for (let size = 1; size <= bytes.length; size += 1) {
    const splitter = new MessageSplitter();
    let joined = "";
    let counted = 0;
    for (let at = 0; at < bytes.length; at += size) {
      for (const { lines, count } of splitter.take(bytes.subarray(at, at + size))) {
        expect(lines.at(-1)).toBe(10);
        joined += lines.toString();
        counted += count;
      }
    }
    expect([joined, counted]).toEqual(["one\n\nтри\nfour\n", 4]);
    expect([...splitter.rest()].map(({ lines }) => lines.toString())).toEqual(["end\n"]);
    expect([...splitter.rest()]).toEqual([]);
  }
});

test("a batch has a limited number of lines, empty ones included", () => {
  const splitter = new MessageSplitter();
  expect(split(splitter, "\n".repeat(MAX_BATCH))).toEqual([["\n".repeat(MAX_BATCH), MAX_BATCH]]);
  const counts = split(splitter, "x\n".repeat(MAX_BATCH + 1)).map(([, count]) => count);
  expect(counts).toEqual([MAX_BATCH, 1]);
});

test("a message has a limited size, with and without an end", () => {
  const largest = "x".repeat(MAX_MESSAGE_BYTES);
  const splitter = new MessageSplitter();
  expect(split(splitter, `y\n${largest}\n`).map(([, count]) => count)).toEqual([2]);
  expect(split(splitter, largest)).toEqual([]);
  expect(split(splitter, "\n")).toHaveLength(1);
  expect(split(splitter, largest)).toEqual([]);
  expect(() => split(splitter, "x")).toThrow(MessageTooLargeError);
  expect(() => split(new MessageSplitter(), `${largest}x\n`)).toThrow(MessageTooLargeError);
  const pieces = new MessageSplitter();
  split(pieces, largest);
  expect(() => split(pieces, "x\n")).toThrow(MessageTooLargeError);
});
