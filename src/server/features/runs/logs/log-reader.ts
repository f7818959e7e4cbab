import { open, type FileHandle } from "node:fs/promises";
import type { LogEntry } from "#shared/api/runs.js";

/** Read at a time: about a millisecond's work. */
const pieceBytes = 64 * 1024;
/** Bytes of an entry at most: a writer's longest is 100 KiB, that of version 0.1 was 500 KiB. */
const longestEntry = 1024 * 1024;

/** Whole entries of a log, as they lie in the file, and where they begin and end. */
export interface LogPiece {
  lines: { text: string; end: number }[];
  start: number;
  end: number;
}

/** A log that is open for reading: it may be written to meanwhile, by whatever process. */
export interface LogReader {
  /** The whole entries from an offset on; none where there is nothing more. */
  read(offset: number): Promise<LogPiece>;
  /** The whole entries before an offset at which one begins; none at the beginning of the log. */
  readBack(offset: number): Promise<LogPiece>;
  size(): Promise<number>;
  /** Whether an entry begins at the offset. */
  isBoundary(offset: number): Promise<boolean>;
  close(): Promise<void>;
}

/** Does one read of a log; the readers of an organization take turns with those of others. */
export type InTurn = <Result>(work: () => Promise<Result>) => Promise<Result>;

/** Null where there is no log: nothing was written yet, or its time is over. */
export async function openLogReader(path: string, inTurn: InTurn): Promise<LogReader | null> {
  let file: FileHandle;
  try {
    file = await open(path, "r");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
  const bytesAt = async (offset: number, length: number): Promise<Buffer> => {
    const buffer = Buffer.allocUnsafe(length);
    const { bytesRead } = await file.read(buffer, 0, length, offset);
    return buffer.subarray(0, bytesRead);
  };
  const read = async (offset: number, length = pieceBytes): Promise<LogPiece> => {
    const bytes = await bytesAt(offset, length);
    const piece = piecesOf(bytes, offset, 0);
    const isCut = piece.lines.length === 0 && bytes.length === length;
    return isCut && length < longestEntry ? read(offset, longestEntry) : piece;
  };
  const readBack = async (offset: number, length = pieceBytes): Promise<LogPiece> => {
    const start = Math.max(0, offset - length);
    const bytes = await bytesAt(start, offset - start);
    // The first entry is cut, unless it is the log's.
    const piece = piecesOf(bytes, start, start === 0 ? 0 : bytes.indexOf(10) + 1);
    const isCut = piece.lines.length === 0 && start > 0;
    return isCut && length < longestEntry ? readBack(offset, longestEntry) : piece;
  };
  return {
    read: (offset) => inTurn(() => read(offset)),
    readBack: (offset) => inTurn(() => readBack(offset)),
    size: async () => (await file.stat()).size,
    isBoundary: async (offset) => {
      if (offset === 0) return true;
      const last = await bytesAt(offset - 1, 1);
      return last[0] === 10;
    },
    close: () => file.close(),
  };
}

/** The whole entries in some bytes, which lie at `offset`, from `first` on. */
function piecesOf(bytes: Buffer, offset: number, first: number): LogPiece {
  const lines: LogPiece["lines"] = [];
  let from = first;
  for (let at = bytes.indexOf(10, from); at !== -1; at = bytes.indexOf(10, from)) {
    lines.push({ text: bytes.toString("utf8", from, at), end: offset + at + 1 });
    from = at + 1;
  }
  return { lines, start: offset + first, end: offset + from };
}

export interface LogText {
  stream?: "stdout" | "stderr" | undefined;
  times: boolean;
}

/** A part of a log: from an entry on, some of whose text is left out, to an offset. */
export interface LogSpan {
  from: number;
  /** UTF-16 code units of the first entry's text. */
  skip: number;
  until: number;
}

/** The log as text, a piece at a time. */
export async function* logText(
  reader: LogReader,
  { stream, times }: LogText,
  { from, skip, until }: LogSpan = { from: 0, skip: 0, until: Infinity },
): AsyncGenerator<string> {
  let offset = from;
  let left = skip;
  /** With times, whether the last piece ended within a line: no time stands there then. */
  const within: Partial<Record<LogEntry["stream"], boolean>> = {};
  while (offset < until) {
    const { lines, end } = await reader.read(offset);
    if (lines.length === 0) return;
    offset = end;
    let text = "";
    for (const line of lines) {
      if (line.end > until) break;
      const entry = JSON.parse(line.text) as LogEntry;
      if (stream !== undefined && entry.stream !== stream) continue;
      const shown = { ...entry, text: entry.text.slice(left) };
      left = 0;
      text += times ? timed(shown, within) : shown.text;
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

/** Finds the last lines of a log as it is now, backwards and a piece at a time, however long they are. */
export async function lastLines(
  reader: LogReader,
  { stream }: Pick<LogText, "stream">,
  count: number,
): Promise<LogSpan> {
  const until = await reader.size();
  /** Line breaks that are looked for; the one at the very end ends the last line. */
  let breaks: number | null = null;
  for (let at = until; at > 0;) {
    const { lines, start } = await reader.readBack(at);
    if (lines.length === 0) break;
    for (const [index, line] of [...lines.entries()].toReversed()) {
      const entry = JSON.parse(line.text) as LogEntry;
      if ((stream !== undefined && entry.stream !== stream) || entry.text === "") continue;
      breaks ??= count + (entry.text.endsWith("\n") ? 1 : 0);
      for (let place = entry.text.length; place > 0;) {
        place = entry.text.lastIndexOf("\n", place - 1);
        if (place === -1) break;
        breaks -= 1;
        if (breaks > 0) continue;
        return { from: lines[index - 1]?.end ?? start, skip: place + 1, until };
      }
    }
    at = start;
  }
  return { from: 0, skip: 0, until };
}
