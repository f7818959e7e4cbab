import { mkdir, open } from "node:fs/promises";
import { dirname } from "node:path";
import { StringDecoder } from "node:string_decoder";
import type { LogEntry } from "#shared/api/agents/runs.js";
import type { MaskedStream, Masker } from "./mask-secrets.js";

/**
 * A run's log: a file with one JSON line per `LogEntry`, the data of its event. The event id is the
 * file offset after the entry, so a client can resume at any server process.
 */
export interface LogWriter {
  /** Resolves after the chunk is in the file, which slows the writer down to the disk's speed. */
  write(stream: "stdout" | "stderr", chunk: Buffer): Promise<void>;
  /** Appends a line by Omoi, whatever the size of the log. */
  say(text: string): Promise<void>;
  /** Bytes of output so far, stored or dropped. */
  readonly bytes: number;
  readonly truncated: boolean;
  /** Writes buffered output and closes the file. */
  close(): Promise<void>;
}

/** How long an incomplete line is buffered. */
const timeoutMs = 100;
/** Maximum length of an entry's text in UTF-16 code units; longer lines are split. */
const longestPart = 16 * 1024;

/** The buffered output of one stream. */
interface Pending {
  decoder: StringDecoder;
  masked: MaskedStream;
  text: string;
  timer: NodeJS.Timeout | null;
}

/**
 * Opens the log of a new run.
 * @param maxBytes maximum file size taken by output; the rest is dropped with a notice
 * @param written called when the log has grown
 * @param failed called when buffered output could not be written
 */
export async function openLog(input: {
  path: string;
  masker: Masker;
  maxBytes: number;
  written: () => void;
  failed: (error: unknown) => void;
}): Promise<LogWriter> {
  const { path, masker, maxBytes, written, failed } = input;
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const file = await open(path, "a", 0o600);
  let bytes = 0;
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
        .map((part) => lineOf("system", part))
        .join(""),
    );

  const keep = async (stream: "stdout" | "stderr", text: string): Promise<void> => {
    let taken = "";
    for (const part of partsOf(text)) {
      if (truncated) break;
      const line = lineOf(stream, part);
      const fits = kept + Buffer.byteLength(line) <= maxBytes;
      const shown = fits ? line : lineWithin(stream, part, maxBytes - kept);
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

  const begin = (): Pending => ({
    decoder: new StringDecoder("utf8"),
    masked: masker.open(),
    text: "",
    timer: null,
  });
  const pending: Record<"stdout" | "stderr", Pending> = { stdout: begin(), stderr: begin() };
  /** Writes a stream's buffered output, except what may be the beginning of a secret. */
  const emitPart = async (stream: "stdout" | "stderr"): Promise<void> => {
    const { masked, text } = pending[stream];
    pending[stream].text = "";
    await keep(stream, masked.write(text));
  };
  const emitLines = (stream: "stdout" | "stderr"): Promise<void> => {
    const part = pending[stream];
    // Progress bars end lines with a carriage return.
    const end = Math.max(part.text.lastIndexOf("\n"), part.text.lastIndexOf("\r")) + 1;
    let done = Promise.resolve();
    if (end > 0) {
      done = keep(stream, part.masked.write(part.text.slice(0, end)));
      part.text = part.text.slice(end);
    }
    if (part.text.length > longestPart) done = emitPart(stream);
    if (part.text !== "") {
      part.timer ??= setTimeout(() => {
        part.timer = null;
        emitPart(stream).catch(failed);
      }, timeoutMs).unref();
    }
    return done;
  };

  return {
    write: async (stream, chunk) => {
      bytes += chunk.length;
      if (truncated) return;
      pending[stream].text += pending[stream].decoder.write(chunk);
      await emitLines(stream);
    },
    say: (text) => say(masker.mask(`${text}\n`)),
    get bytes() {
      return bytes;
    },
    get truncated() {
      return truncated;
    },
    close: async () => {
      for (const stream of ["stdout", "stderr"] as const) {
        const part = pending[stream];
        if (part.timer) clearTimeout(part.timer);
        await keep(stream, part.masked.write(part.text + part.decoder.end()) + part.masked.end());
        part.text = "";
      }
      await writing;
      await file.close();
      written();
    },
  };
}

function lineOf(stream: LogEntry["stream"], text: string): string {
  const entry: LogEntry = { stream, at: new Date().toISOString(), text };
  return `${JSON.stringify(entry)}\n`;
}

/** Returns a line with as much of the text as fits into `maxBytes`, or an empty one. */
function lineWithin(stream: LogEntry["stream"], text: string, maxBytes: number): string {
  let [low, high] = [0, text.length];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (Buffer.byteLength(lineOf(stream, text.slice(0, middle))) <= maxBytes) low = middle;
    else high = middle - 1;
  }
  const end = endOfCharacter(text, low);
  return end === 0 ? "" : lineOf(stream, text.slice(0, end));
}

/** Splits a text into parts of bounded length, after line breaks where possible. */
function partsOf(text: string): string[] {
  const parts: string[] = [];
  for (let at = 0; at < text.length;) {
    const most = Math.min(text.length, at + longestPart);
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
