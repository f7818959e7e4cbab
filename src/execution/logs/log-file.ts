/** The file of a run's log: lines of JSON, up to a size. */
import { mkdir, open } from "node:fs/promises";
import { dirname } from "node:path";
import type { LogEntry } from "#shared/api/execution/runs.js";
import { LONGEST_ENTRY_TEXT, type StoredLogEntry } from "#execution/logs/stored-log-entry.js";

/** Maximum lengths of the parts of a told line, together at most `LONGEST_ENTRY_TEXT`. */
const longestTold = { text: 6 * 1024, raw: 10 * 1024 };

/**
 * Opens the file of a new log.
 * @param maxBytes maximum file size taken by output; the rest is dropped with a notice
 * @param written called when the file has grown
 */
export async function openLogFile(path: string, maxBytes: number, written: () => void) {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const file = await open(path, "a", 0o600);
  let kept = 0;
  let truncated = false;
  /** Whether the log contains the notice of dropped output. */
  let isSaid = false;
  let failure: unknown;
  /** Writes are serialized; lines that arrive meanwhile are written together. */
  let lines: string[] = [];
  let writing: Promise<void> | null = null;
  const flush = async (): Promise<void> => {
    while (lines.length > 0 && failure === undefined) {
      const batch = lines.join("");
      lines = [];
      try {
        await file.appendFile(batch);
      } catch (error) {
        // A full disk must not end the run: the rest of its output is dropped.
        failure = error;
        truncated = true;
      }
      written();
    }
    lines = [];
    writing = null;
  };
  const put = (line: string): Promise<void> => {
    lines.push(line);
    return (writing ??= flush());
  };
  /** Appends a message by Omoi. */
  const say = (text: string): Promise<void> =>
    put(
      partsOf(text)
        .map((part) => lineOf("system", { text: part }))
        .join(""),
    );

  const keep = async (stream: "stdout" | "stderr", parts: readonly Text[]): Promise<void> => {
    let taken = "";
    for (const part of parts) {
      if (truncated) break;
      const line = lineOf(stream, part);
      const fits = kept + Buffer.byteLength(line) <= maxBytes;
      const shown = fits ? line : lineWithin(stream, part.text, maxBytes - kept);
      kept += Buffer.byteLength(shown);
      taken += shown;
      truncated = !fits;
    }
    if (taken !== "") void put(taken);
    if (truncated && !isSaid) {
      isSaid = true;
      const mib = Math.round((maxBytes / 1024 / 1024) * 1000) / 1000;
      void say(`\n[Output beyond ${mib} MiB is dropped; the run continues.]\n`);
    }
    await writing;
  };

  const keepText = (stream: "stdout" | "stderr", text: string): Promise<void> =>
    keep(
      stream,
      partsOf(text).map((part) => ({ text: part })),
    );

  return {
    get truncated() {
      return truncated;
    },
    say,
    keepText,
    /** Appends a told text with the output that it tells. */
    keepTold: (told: string, raw: string): Promise<void> => keep("stdout", pairsOf(told, raw)),
    close: async (): Promise<void> => {
      await writing;
      await file.close();
      written();
    },
  };
}

/** The text of an entry, and the raw output that it tells. */
type Text = Pick<StoredLogEntry, "raw" | "text">;

function lineOf(stream: LogEntry["stream"], { raw, text }: Text): string {
  const at = new Date().toISOString();
  const entry: StoredLogEntry = { stream, at, ...(raw !== undefined && { raw }), text };
  return `${JSON.stringify(entry)}\n`;
}

/** Splits a told text and its raw line into entries. */
function pairsOf(told: string, raw: string): Text[] {
  const texts = partsOf(told, longestTold.text);
  const raws = partsOf(raw, longestTold.raw);
  return Array.from({ length: Math.max(texts.length, raws.length) }, (_, at) => ({
    raw: raws[at] ?? "",
    text: texts[at] ?? "",
  }));
}

/** Returns a line with as much of the text as fits into `maxBytes`, or an empty one. */
function lineWithin(stream: LogEntry["stream"], text: string, maxBytes: number): string {
  let [low, high] = [0, text.length];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (Buffer.byteLength(lineOf(stream, { text: text.slice(0, middle) })) <= maxBytes)
      low = middle;
    else high = middle - 1;
  }
  const end = endOfCharacter(text, low);
  return end === 0 ? "" : lineOf(stream, { text: text.slice(0, end) });
}

/** Splits a text into parts of bounded length, after line breaks where possible. */
function partsOf(text: string, longest = LONGEST_ENTRY_TEXT): string[] {
  const parts: string[] = [];
  for (let at = 0; at < text.length;) {
    const most = Math.min(text.length, at + longest);
    const line = most < text.length ? text.lastIndexOf("\n", most - 1) + 1 : most;
    const end = line > at ? line : endOfCharacter(text, most);
    parts.push(text.slice(at, end));
    at = end;
  }
  return parts;
}

/** Moves a position inside a surrogate pair before it. */
function endOfCharacter(text: string, place: number): number {
  return /^[\uD800-\uDBFF][\uDC00-\uDFFF]/.test(text.slice(place - 1, place + 1))
    ? place - 1
    : place;
}
