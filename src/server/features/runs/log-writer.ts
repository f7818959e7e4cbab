import { mkdir, open } from "node:fs/promises";
import { dirname } from "node:path";
import { StringDecoder } from "node:string_decoder";
import type { LogEntry } from "#shared/api/runs.js";
import type { MaskedStream, Masker } from "./mask-secrets.js";

/**
 * A run's log: a file with a line of JSON for each `LogEntry`, which is the data of its event. Where an
 * entry ends in the file is its event's id, so that whoever comes back, to whichever server process,
 * goes on from there.
 */
export interface LogWriter {
  /** Settles when it is in the file: whoever writes faster than the disk waits. */
  write(stream: "stdout" | "stderr", chunk: Buffer): Promise<void>;
  /** Adds a line of Omoi's own, whatever the size. */
  say(text: string): Promise<void>;
  /** What was written so far, kept or not. */
  readonly bytes: number;
  readonly truncated: boolean;
  /** Writes what was held back, and closes the file. */
  close(): Promise<void>;
}

/** How long a line that has no end yet waits for one. */
const patienceMs = 100;
/** A longer one is written in parts. */
const longestPart = 16 * 1024;

/** One of the two streams: what of it is not in the file yet. */
interface Pending {
  decoder: StringDecoder;
  masked: MaskedStream;
  text: string;
  timer: NodeJS.Timeout | null;
}

/**
 * Opens the log of a new run.
 * @param maxBytes of output that are kept; the rest is left out, and said so once
 * @param written is called when there is more to read
 * @param failed is called when output that waited could not be taken
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
  let failure: unknown;
  /** One write after the other; what comes meanwhile is written together. */
  let lines: string[] = [];
  let writing: Promise<void> | null = null;
  const flush = async (): Promise<void> => {
    while (lines.length > 0 && failure === undefined) {
      const batch = lines.join("");
      lines = [];
      try {
        await file.appendFile(batch);
      } catch (error) {
        // A full disk must not end the run: the rest of its output is not kept.
        failure = error;
        truncated = true;
      }
      written();
    }
    lines = [];
    writing = null;
  };
  const put = (entry: LogEntry): Promise<void> => {
    lines.push(`${JSON.stringify(entry)}\n`);
    return (writing ??= flush());
  };
  const now = (): string => new Date().toISOString();

  const keep = (stream: "stdout" | "stderr", text: string): Promise<void> => {
    if (text === "" || truncated) return Promise.resolve();
    const size = Buffer.byteLength(text);
    if (kept + size <= maxBytes) {
      kept += size;
      return put({ stream, at: now(), text });
    }
    truncated = true;
    const head = Buffer.from(text)
      .subarray(0, maxBytes - kept)
      .toString("utf8");
    kept = maxBytes;
    // A character that the cut went through is left out.
    const whole = head.replace(/\uFFFD$/, "");
    const mib = Math.round((maxBytes / 1024 / 1024) * 1000) / 1000;
    const mark = `\n[The output beyond ${mib} MiB is not kept; the run goes on.]\n`;
    void put({ stream, at: now(), text: whole });
    return put({ stream: "system", at: now(), text: mark });
  };

  const begin = (): Pending => ({
    decoder: new StringDecoder("utf8"),
    masked: masker.open(),
    text: "",
    timer: null,
  });
  const pending: Record<"stdout" | "stderr", Pending> = { stdout: begin(), stderr: begin() };
  /** Writes what of a stream has come, but for what may be the beginning of a secret. */
  const emitPart = async (stream: "stdout" | "stderr"): Promise<void> => {
    const { masked, text } = pending[stream];
    pending[stream].text = "";
    await keep(stream, masked.write(text));
  };
  const emitLines = (stream: "stdout" | "stderr"): Promise<void> => {
    const part = pending[stream];
    // A progress bar ends its lines by going back to their beginning.
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
      }, patienceMs).unref();
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
    say: (text) => put({ stream: "system", at: now(), text: masker.mask(`${text}\n`) }),
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
