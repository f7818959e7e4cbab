import { StringDecoder } from "node:string_decoder";
import { LONGEST_ENTRY_TEXT } from "#execution/logs/stored-log-entry.js";
import type { Teller } from "./teller.js";
import { createJsonLines, type OutputPiece } from "./json-lines.js";
import { openLogFile } from "./log-file.js";
import type { MaskedStream, Masker } from "./mask-secrets.js";

/**
 * A run's log: a file with one JSON line per `StoredLogEntry`, from which the data of its event is made. The event id is the
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

/** The buffered output of one stream. */
interface Pending {
  decoder: StringDecoder;
  masked: MaskedStream;
  text: string;
  timer: NodeJS.Timeout | null;
}

/**
 * Opens the log of a new run.
 * @param teller tells the lines of JSON on the standard output
 * @param maxBytes maximum file size taken by output; the rest is dropped with a notice
 * @param written called when the log has grown
 * @param failed called when buffered output could not be written
 */
export async function openLog(input: {
  path: string;
  masker: Masker;
  teller?: Teller | null;
  maxBytes: number;
  written: () => void;
  failed: (error: unknown) => void;
}): Promise<LogWriter> {
  const { path, masker, teller = null, maxBytes, written, failed } = input;
  const file = await openLogFile(path, maxBytes, written);
  let bytes = 0;
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
    await file.keepText(stream, masked.write(text));
  };
  const emitLines = (stream: "stdout" | "stderr"): Promise<void> => {
    const part = pending[stream];
    // Progress bars end lines with a carriage return.
    const end = Math.max(part.text.lastIndexOf("\n"), part.text.lastIndexOf("\r")) + 1;
    let done = Promise.resolve();
    if (end > 0) {
      done = file.keepText(stream, part.masked.write(part.text.slice(0, end)));
      part.text = part.text.slice(end);
    }
    if (part.text.length > LONGEST_ENTRY_TEXT) done = emitPart(stream);
    if (part.text !== "") {
      part.timer ??= setTimeout(() => {
        part.timer = null;
        emitPart(stream).catch(failed);
      }, timeoutMs).unref();
    }
    return done;
  };

  const jsonLines = teller && createJsonLines();
  /** Writes a line of JSON as its teller tells it, or as it is. Each line is masked as a whole. */
  const emitTold = (line: string): Promise<void> => {
    const raw = `${masker.mask(line)}\n`;
    const told = teller?.tell(raw) ?? null;
    if (told === null) return file.keepText("stdout", raw);
    // Escapes of JSON may have hidden a secret.
    return file.keepTold(masker.mask(told), raw);
  };
  const emitPieces = async (pieces: readonly OutputPiece[]): Promise<void> => {
    for (const piece of pieces) {
      if ("line" in piece) {
        await emitTold(piece.line);
      } else {
        pending.stdout.text += piece.text;
        await emitLines("stdout");
      }
    }
  };

  return {
    write: async (stream, chunk) => {
      bytes += chunk.length;
      if (file.truncated) return;
      const text = pending[stream].decoder.write(chunk);
      if (stream === "stdout" && jsonLines) return emitPieces(jsonLines.add(text));
      pending[stream].text += text;
      await emitLines(stream);
    },
    say: (text) => file.say(masker.mask(`${text}\n`)),
    get bytes() {
      return bytes;
    },
    get truncated() {
      return file.truncated;
    },
    close: async () => {
      await emitPieces(jsonLines?.end() ?? []);
      await file.keepText("stdout", masker.mask(teller?.end() ?? ""));
      for (const stream of ["stdout", "stderr"] as const) {
        const part = pending[stream];
        if (part.timer) clearTimeout(part.timer);
        await file.keepText(
          stream,
          part.masked.write(part.text + part.decoder.end()) + part.masked.end(),
        );
        part.text = "";
      }
      await file.close();
    },
  };
}
