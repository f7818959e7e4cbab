import type { LogEntry } from "#shared/api/execution/runs.js";
import { carriedStyles, cleanLine, textOf } from "./ansi.js";

export interface LogLine {
  /** From 0; unaffected by new lines or by dropped ones. */
  number: number;
  stream: LogEntry["stream"];
  /** When its first part arrived. */
  at: string;
  /** The received text, up to the length limit. */
  raw: string;
  /** Color sequences active at its start. */
  carried: string;
  /** The text without color sequences. */
  text: string;
}

/** Maximum lines in memory; more would exceed the browser's maximum scroll height. */
const maxLines = 200_000;
/** Maximum length of a line in characters, so that one line cannot block the page. */
const maxLineLength = 20_000;

export interface LogLines {
  append(entries: readonly LogEntry[]): void;
  /** The retained lines, oldest first; the array is mutated and keeps its identity. */
  readonly lines: readonly LogLine[];
  /** Number of oldest lines dropped. */
  readonly dropped: number;
}

/**
 * Assembles lines from a log's entries: an entry may end within a line, which the next entry of its
 * stream continues.
 */
export function createLogLines(limit = maxLines): LogLines {
  const lines: LogLine[] = [];
  const unfinished = new Map<LogEntry["stream"], LogLine>();
  const carried = new Map<LogEntry["stream"], string>();
  let count = 0;
  let dropped = 0;

  const add = ({ stream, at }: LogEntry, raw: string, isWhole: boolean): void => {
    let line = unfinished.get(stream);
    if (!line) {
      line = { number: count, stream, at, raw: "", carried: carried.get(stream) ?? "", text: "" };
      count += 1;
      lines.push(line);
    }
    if (line.raw.length < maxLineLength) line.raw = (line.raw + raw).slice(0, maxLineLength);
    line.text = textOf(cleanLine(line.raw));
    if (isWhole) {
      unfinished.delete(stream);
      carried.set(stream, carriedStyles(line.carried + line.raw));
    } else {
      unfinished.set(stream, line);
    }
  };
  return {
    lines,
    get dropped() {
      return dropped;
    },
    append: (entries) => {
      for (const entry of entries) {
        const parts = entry.text.split("\n");
        const rest = parts.pop() as string;
        for (const part of parts) add(entry, part, true);
        if (rest !== "") add(entry, rest, false);
      }
      // Dropped in batches, since each drop moves the whole array.
      if (lines.length > limit * 1.1) dropped += lines.splice(0, lines.length - limit).length;
    },
  };
}
