import { open, type FileHandle } from "node:fs/promises";
import type { LogEntry } from "#shared/api/execution/runs.js";
import type { StoredLogEntry } from "#execution/logs/stored-log-entry.js";

/** Bytes per read, about a millisecond of work. */
const pieceBytes = 64 * 1024;
/** Maximum size of an entry. Writers limit it to 100 KiB; version 0.1 wrote up to 500 KiB. */
const longestEntry = 1024 * 1024;

/** Complete entries of a log with their file offsets. */
export interface LogPiece {
  lines: { text: string; end: number }[];
  start: number;
  end: number;
}

/** A log open for reading, while any process may write to it. */
export interface LogReader {
  /** Reads complete entries from an offset; none at the end. */
  read(offset: number): Promise<LogPiece>;
  /** Reads complete entries before an offset that starts an entry; none at the beginning. */
  readBack(offset: number): Promise<LogPiece>;
  size(): Promise<number>;
  /** Whether an entry starts at the offset. */
  isBoundary(offset: number): Promise<boolean>;
  close(): Promise<void>;
}

/** The bytes of a log. */
export interface LogSource {
  /** Fetches bytes from another machine, so that `bytesAt` does not wait for it. */
  prepare?(offset: number, length: number): Promise<void>;
  bytesAt(offset: number, length: number): Promise<Buffer>;
  size(): Promise<number>;
  close(): Promise<void>;
}

/** Runs one read of a log when its organization's turn comes. */
export type InTurn = <Result>(work: () => Promise<Result>) => Promise<Result>;

/** Returns null when no log exists: nothing was written yet, or the log has expired. */
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
  return readLog(
    { bytesAt, size: async () => (await file.stat()).size, close: () => file.close() },
    inTurn,
  );
}

/** Reads the entries of a log. Only parsing and reading a disk take a turn, and not waiting for the network. */
export function readLog(source: LogSource, inTurn: InTurn): LogReader {
  const bytesAt = (offset: number, length: number): Promise<Buffer> =>
    source.bytesAt(offset, length);
  const read = async (offset: number, length = pieceBytes): Promise<LogPiece> => {
    await source.prepare?.(offset, length);
    const { piece, isCut } = await inTurn(async () => {
      const bytes = await bytesAt(offset, length);
      const found = piecesOf(bytes, offset, 0);
      return { piece: found, isCut: found.lines.length === 0 && bytes.length === length };
    });
    return isCut && length < longestEntry ? read(offset, longestEntry) : piece;
  };
  const readBack = async (offset: number, length = pieceBytes): Promise<LogPiece> => {
    const start = Math.max(0, offset - length);
    await source.prepare?.(start, offset - start);
    const piece = await inTurn(async () => {
      const bytes = await bytesAt(start, offset - start);
      // The first entry is incomplete unless it starts the log.
      return piecesOf(bytes, start, start === 0 ? 0 : bytes.indexOf(10) + 1);
    });
    const isCut = piece.lines.length === 0 && start > 0;
    return isCut && length < longestEntry ? readBack(offset, longestEntry) : piece;
  };
  return {
    read: (offset) => read(offset),
    readBack: (offset) => readBack(offset),
    size: () => source.size(),
    isBoundary: async (offset) => {
      if (offset === 0) return true;
      const last = await bytesAt(offset - 1, 1);
      return last[0] === 10;
    },
    close: () => source.close(),
  };
}

/** Parses the complete entries in `bytes`, read at `offset`, starting at `first`. */
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
  /** Whether lines of JSON of a preset are as the program printed them. */
  raw?: boolean | undefined;
}

/** Returns an entry as its event has it; null if it has no text. */
export function readEntry(line: string, isRaw = false): LogEntry | null {
  const { raw, text, ...entry } = JSON.parse(line) as StoredLogEntry;
  const shown = isRaw ? (raw ?? text) : text;
  return shown === "" ? null : { ...entry, text: shown };
}

/** Returns the data of an entry's event; null for an entry without text. */
export function logEventOf(line: string, isRaw: boolean): string | null {
  // Within a text the quotes are escaped.
  if (!line.includes('"raw":')) return line;
  const entry = readEntry(line, isRaw);
  return entry && JSON.stringify(entry);
}

/** A range of a log from an entry, without the beginning of its text, to an offset. */
export interface LogSpan {
  from: number;
  /** UTF-16 code units to skip in the first entry's text. */
  skip: number;
  until: number;
}

/** Yields the log as text. */
export async function* logText(
  reader: LogReader,
  { stream, times, raw }: LogText,
  { from, skip, until }: LogSpan = { from: 0, skip: 0, until: Infinity },
): AsyncGenerator<string> {
  let offset = from;
  let left = skip;
  /** Whether the last piece of a stream ended within a line, which then gets no time. */
  const within: Partial<Record<LogEntry["stream"], boolean>> = {};
  while (offset < until) {
    const { lines, end } = await reader.read(offset);
    if (lines.length === 0) return;
    offset = end;
    let text = "";
    for (const line of lines) {
      if (line.end > until) break;
      const entry = readEntry(line.text, raw);
      if (entry === null || (stream !== undefined && entry.stream !== stream)) continue;
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

/**
 * Maximum UTF-16 code units of a line at the end of a log, so that a log of one line of 60 MB is not read and
 * sent whole to each reader of its end. No page or terminal shows more.
 */
export const MAX_TAIL_LINE = 1024 * 1024;

/** Finds the last lines of the current log by reading backwards, at most up to a line that is too long. */
export async function lastLines(
  reader: LogReader,
  { stream, raw }: Pick<LogText, "stream" | "raw">,
  count: number,
): Promise<LogSpan> {
  const until = await reader.size();
  /** Line breaks left to find; a final one ends the last line. */
  let breaks: number | null = null;
  /** Length of the line that is being read, without its beginning. */
  let length = 0;
  for (let at = until; at > 0;) {
    const { lines, start } = await reader.readBack(at);
    if (lines.length === 0) break;
    for (const [index, line] of [...lines.entries()].toReversed()) {
      const entry = readEntry(line.text, raw);
      if (entry === null || (stream !== undefined && entry.stream !== stream)) continue;
      if (entry.text === "") continue;
      const from = lines[index - 1]?.end ?? start;
      breaks ??= count + (entry.text.endsWith("\n") ? 1 : 0);
      const rest = entry.text.length - entry.text.lastIndexOf("\n") - 1;
      const excess = length + rest - MAX_TAIL_LINE;
      if (excess > 0) {
        return { from, skip: characterAt(entry.text, entry.text.length - rest + excess), until };
      }
      for (let place = entry.text.length; place > 0;) {
        place = entry.text.lastIndexOf("\n", place - 1);
        if (place === -1) break;
        breaks -= 1;
        if (breaks > 0) continue;
        return { from, skip: place + 1, until };
      }
      const first = entry.text.indexOf("\n");
      length = first === -1 ? length + rest : first;
    }
    at = start;
  }
  return { from: 0, skip: 0, until };
}

/** Returns the index of a character, or the next one within a surrogate pair. */
function characterAt(text: string, index: number): number {
  return /^[\uDC00-\uDFFF]/.test(text.charAt(index)) ? index + 1 : index;
}
