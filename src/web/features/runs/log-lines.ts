import type { LogEntry } from "#shared/api/runs.js";
import { carryOver, cleanLine, textOf } from "./ansi.js";

export interface LogLine {
  /** From 0 on; the same line keeps it when more comes, or earlier ones are let go. */
  number: number;
  stream: LogEntry["stream"];
  /** When its first part came. */
  at: string;
  /** As it came, but for what was cut off. */
  raw: string;
  /** The colours that were on where it begins. */
  carried: string;
  /** For reading: its colours' sequences apart. */
  text: string;
}

/** More would be heavy to hold, and too high to be scrolled by browsers. */
const keptLines = 200_000;
/** A line that is longer is cut: nobody reads on, and one must not hold up the page. */
const lineLength = 20_000;

export interface LogLines {
  append(entries: readonly LogEntry[]): void;
  /** Those that are kept, oldest first; the array is the same one, and grows. */
  readonly lines: readonly LogLine[];
  /** How many of the oldest were let go. */
  readonly dropped: number;
}

/** A log's lines from its entries: an entry may end within a line, which the stream's next one ends. */
export function createLogLines(limit = keptLines): LogLines {
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
    if (line.raw.length < lineLength) line.raw = (line.raw + raw).slice(0, lineLength);
    line.text = textOf(cleanLine(line.raw));
    if (isWhole) {
      unfinished.delete(stream);
      carried.set(stream, carryOver(line.carried + line.raw));
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
      // Not one by one: each time the whole array is moved.
      if (lines.length > limit * 1.1) dropped += lines.splice(0, lines.length - limit).length;
    },
  };
}
