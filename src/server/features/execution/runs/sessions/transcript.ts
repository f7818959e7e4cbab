import { open, type FileHandle } from "node:fs/promises";
import { mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import { setImmediate as afterEvents } from "node:timers/promises";
import type { SessionEvent } from "#shared/api/work/sessions.js";
import type { MaskedStream, Masker } from "#execution/logs/mask-secrets.js";

/** An event without its time. */
type NewEvent = SessionEvent extends infer Event
  ? Event extends SessionEvent
    ? Omit<Event, "at">
    : never
  : never;

/**
 * The events of a session: a file with one JSON line per event, which one server process at a time
 * writes and all read. The id of an event is the offset after it.
 */
export interface Transcript {
  /** Appends an event. Resolves when it is in the file. */
  add(event: NewEvent): Promise<void>;
  /** Appends an event to what `flush` writes. @throws TranscriptFullError */
  put(event: NewEvent): void;
  /** Resolves when all events are in the file. */
  flush(): Promise<void>;
  /** Appends a piece of streamed text, which may be joined with others. Resolves once there is room for more. */
  stream(type: "message" | "thought", text: string): Promise<void>;
  /** Writes everything and closes the file. */
  close(): Promise<void>;
}

/** The transcript has no room for another event. */
export class TranscriptFullError extends Error {
  override readonly name = "TranscriptFullError";
}

/** How long streamed text is collected. */
const COLLECT_MS = 150;
/** Maximum length of an event's streamed text in UTF-16 code units. */
const MAX_PIECE = 16 * 1024;
/** Maximum size of a transcript. */
const MAX_BYTES = 64 * 1024 * 1024;
/** Maximum size of an event, as readers accept it. */
const MAX_LINE_BYTES = 1024 * 1024;
/** Bytes that wait for the disk before the agent has to wait, too. */
const MAX_WAITING = 256 * 1024;

/**
 * @param written called when the file has grown
 * @param failed called when streamed text could not be written
 */
export async function openTranscript({
  path,
  masker,
  written,
  failed,
}: {
  path: string;
  masker: Masker;
  written: () => void;
  failed: (error: unknown) => void;
}): Promise<Transcript> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const file = await open(path, "a+", 0o600);
  let size = await endOfLastLine(file);
  await file.truncate(size);
  /** Text that is being streamed; other events end it. */
  let current: { type: "message" | "thought"; masked: MaskedStream; text: string } | null = null;
  let timer: NodeJS.Timeout | null = null;
  let lines: string[] = [];
  /** Their bytes. */
  let waiting = 0;
  let writing: Promise<void> | null = null;

  const push = (event: NewEvent): void => {
    const line = `${JSON.stringify({ ...event, at: new Date().toISOString() })}\n`;
    const bytes = Buffer.byteLength(line);
    if (bytes > MAX_LINE_BYTES) throw new TypeError("an event is larger than a reader accepts");
    if (size + waiting + bytes > MAX_BYTES) throw new TranscriptFullError();
    lines.push(line);
    waiting += bytes;
  };
  /** Writes all lines; concurrent calls share the work. */
  const write = async (): Promise<void> => {
    for (;;) {
      if (writing === null && lines.length === 0) return;
      writing ??= writeLines().finally(() => {
        writing = null;
      });
      await writing;
    }
  };
  const writeLines = async (): Promise<void> => {
    const bytes = Buffer.from(lines.join(""));
    lines = [];
    waiting = 0;
    await file.appendFile(bytes);
    size += bytes.length;
    written();
  };
  const take = (isLast: boolean): void => {
    if (current === null) return;
    if (isLast) current.text += current.masked.end();
    const { type, text } = current;
    for (let at = 0; at < text.length; at += MAX_PIECE) {
      push({ type, text: text.slice(at, at + MAX_PIECE) });
    }
    current.text = "";
    if (isLast) current = null;
  };
  const stopTimer = (): void => {
    if (timer) clearTimeout(timer);
    timer = null;
  };
  const put = (event: NewEvent): void => {
    stopTimer();
    take(true);
    push(event);
  };
  const stream = async (type: "message" | "thought", text: string): Promise<void> => {
    if (current !== null && current.type !== type) take(true);
    current ??= { type, masked: masker.open(), text: "" };
    current.text += current.masked.write(text);
    timer ??= setTimeout(() => {
      timer = null;
      try {
        take(false);
      } catch (error) {
        failed(error);
      }
      write().catch(failed);
    }, COLLECT_MS);
    if (current.text.length + waiting > MAX_WAITING) {
      take(false);
      await write();
    }
  };
  return {
    add: async (event) => {
      put(event);
      await write();
    },
    put,
    flush: write,
    stream: async (type, text) => {
      // Others have their turn between pieces of a long text, whose masking takes time.
      for (let at = 0; at < text.length; at += MAX_PIECE) {
        if (at > 0) await afterEvents();
        await stream(type, text.slice(at, at + MAX_PIECE));
      }
    },
    close: async () => {
      stopTimer();
      try {
        take(true);
        await write();
      } finally {
        await file.close();
      }
    },
  };
}

/** Returns the offset after the last complete line: a killed server may leave half of one. */
async function endOfLastLine(file: FileHandle): Promise<number> {
  const { size } = await file.stat();
  const piece = Buffer.alloc(64 * 1024);
  for (let end = size; end > 0;) {
    const start = Math.max(0, end - piece.length);
    const { bytesRead } = await file.read(piece, 0, end - start, start);
    const at = piece.subarray(0, bytesRead).lastIndexOf(10);
    if (at >= 0) return start + at + 1;
    end = start;
  }
  return 0;
}
