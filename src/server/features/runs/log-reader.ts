import { open, type FileHandle } from "node:fs/promises";
import type { LogEntry } from "#shared/api/runs.js";

/** Read at a time; a longer entry is read whole all the same. */
const pieceBytes = 256 * 1024;

/** Whole entries of a log, as they lie in the file, and where the last of them ends. */
export interface LogPiece {
  lines: { text: string; end: number }[];
  end: number;
}

/** A log that is open for reading: it may be written to meanwhile, by whatever process. */
export interface LogReader {
  /** The whole entries from an offset on; none where there is nothing more. */
  read(offset: number): Promise<LogPiece>;
  size(): Promise<number>;
  /** Whether an entry begins at the offset. */
  isBoundary(offset: number): Promise<boolean>;
  close(): Promise<void>;
}

/** Null where there is no log: nothing was written yet, or its time is over. */
export async function openLogReader(path: string): Promise<LogReader | null> {
  let file: FileHandle;
  try {
    file = await open(path, "r");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
  const read = async (offset: number, length = pieceBytes): Promise<LogPiece> => {
    const buffer = Buffer.allocUnsafe(length);
    const { bytesRead } = await file.read(buffer, 0, length, offset);
    const lines: LogPiece["lines"] = [];
    let from = 0;
    for (;;) {
      const at = buffer.indexOf(10, from);
      if (at === -1 || at >= bytesRead) break;
      lines.push({ text: buffer.toString("utf8", from, at), end: offset + at + 1 });
      from = at + 1;
    }
    if (from === 0 && bytesRead === length) return read(offset, length * 4);
    return { lines, end: offset + from };
  };
  return {
    read: (offset) => read(offset),
    size: async () => (await file.stat()).size,
    isBoundary: async (offset) => {
      if (offset === 0) return true;
      const last = Buffer.alloc(1);
      const { bytesRead } = await file.read(last, 0, 1, offset - 1);
      return bytesRead === 1 && last[0] === 10;
    },
    close: () => file.close(),
  };
}

export interface LogText {
  stream?: "stdout" | "stderr" | undefined;
  times: boolean;
}

/** The log as text, a piece at a time, from an offset on. */
export async function* logText(
  reader: LogReader,
  { stream, times }: LogText,
  from = 0,
): AsyncGenerator<string> {
  let offset = from;
  /** With times, whether the last piece ended within a line: no time stands there then. */
  const within: Partial<Record<LogEntry["stream"], boolean>> = {};
  for (;;) {
    const { lines, end } = await reader.read(offset);
    if (lines.length === 0) return;
    offset = end;
    let text = "";
    for (const line of lines) {
      const entry = JSON.parse(line.text) as LogEntry;
      if (stream !== undefined && entry.stream !== stream) continue;
      text += times ? timed(entry, within) : entry.text;
    }
    if (text !== "") yield text;
  }
}

function timed(
  { stream, at, text }: LogEntry,
  within: Partial<Record<LogEntry["stream"], boolean>>,
): string {
  const label = `${at} ${stream} `;
  const lines = text.replaceAll(/\n(?!$)/g, () => `\n${label}`);
  const begun = within[stream] === true ? lines : label + lines;
  within[stream] = !text.endsWith("\n");
  return begun;
}

/** The last lines of the log, read from its end. */
export async function lastLines(
  reader: LogReader,
  options: LogText,
  count: number,
): Promise<string> {
  const size = await reader.size();
  let span = pieceBytes;
  for (;;) {
    let from = Math.max(0, size - span);
    while (from > 0 && !(await reader.isBoundary(from))) {
      // To where the next entry begins.
      const { lines, end } = await reader.read(from);
      from = lines[0]?.end ?? (end > from ? end : size);
    }
    let text = "";
    for await (const piece of logText(reader, options, from)) text += piece;
    const lines = text.split("\n");
    const wanted = count + (text.endsWith("\n") ? 1 : 0);
    if (from === 0 || lines.length > wanted) return lines.slice(-wanted).join("\n");
    span *= 4;
  }
}
