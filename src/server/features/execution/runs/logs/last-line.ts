import { open } from "node:fs/promises";
import { stripVTControlCharacters } from "node:util";

/** Bytes of a file's end that are read. */
const TAIL_BYTES = 4096;
/** The same for a log whose end has no text: programs print large results of tools, which are not told. */
const LONG_TAIL_BYTES = 512 * 1024;
/** Characters of a line. */
const MAX_LENGTH = 200;

/** Returns the last non-empty line of a run's log; null without a log or output. */
export async function lastLineOfLog(path: string): Promise<string | null> {
  return (
    textLine(await readTail(path, TAIL_BYTES)) ?? textLine(await readTail(path, LONG_TAIL_BYTES))
  );
}

function textLine(entries: readonly Record<string, unknown>[]): string | null {
  let text = "";
  let stream: unknown;
  for (const entry of entries) {
    if (typeof entry["text"] !== "string") continue;
    // The output of another stream begins on a line of its own.
    if (stream !== entry["stream"]) text += "\n";
    stream = entry["stream"];
    text += entry["text"];
  }
  return lastLine(text);
}

/** Returns the end of a session: the last line of the agent's last message, or its last tool call. */
export async function lastLineOfTranscript(path: string): Promise<string | null> {
  const events = await readTail(path, TAIL_BYTES);
  let text = "";
  let isMessage = false;
  for (const { type, text: piece, title } of events) {
    // The end of a long event has no type.
    if ((type === undefined || type === "message") && typeof piece === "string") {
      text = isMessage ? text + piece : piece;
      isMessage = true;
    } else if (
      (type === "tool_call" || type === "permission_request") &&
      typeof title === "string"
    ) {
      text = title;
      isMessage = false;
    } else if (type === "prompt" || type === "turn_end") {
      // The next message is another one.
      isMessage = false;
    }
  }
  return lastLine(text);
}

/** Returns the last line with visible text, without control characters and escape sequences. */
export function lastLine(text: string): string | null {
  const lines = stripVTControlCharacters(text).split(/[\r\n\u2028\u2029]+/);
  for (const line of lines.toReversed()) {
    const plain = line
      .replaceAll(/\p{Cc}+/gu, " ")
      .replaceAll("\uFFFD", "")
      .trim();
    if (plain !== "") return Array.from(plain).slice(0, MAX_LENGTH).join("");
  }
  return null;
}

/** Reads the entries at the end of a file of JSON lines; none without a file. */
async function readTail(path: string, most: number): Promise<Record<string, unknown>[]> {
  let text: string;
  let isCut: boolean;
  try {
    const file = await open(path, "r");
    try {
      const { size } = await file.stat();
      const start = Math.max(0, size - most);
      const { buffer, bytesRead } = await file.read(
        Buffer.alloc(size - start),
        0,
        size - start,
        start,
      );
      text = buffer.toString("utf8", 0, bytesRead);
      isCut = start > 0;
    } finally {
      await file.close();
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
  const lines = text.split("\n");
  // A line that is still being written ends without a line break.
  lines.pop();
  const first = isCut ? lines.shift() : undefined;
  const entries = lines.flatMap((line) => parsed(line));
  if (entries.length > 0 || first === undefined) return entries;
  return endOfText(first);
}

function parsed(line: string): Record<string, unknown>[] {
  try {
    const entry: unknown = JSON.parse(line);
    return typeof entry === "object" && entry !== null ? [entry as Record<string, unknown>] : [];
  } catch {
    return [];
  }
}

/** The end of a long entry, whose text comes last or before its time; the cut may be within an escape. */
function endOfText(cut: string): Record<string, unknown>[] {
  // Quotes within a text are escaped, so that only raw output has these before the text.
  const line = cut.split('","text":"').at(-1) as string;
  const end = /^(.*?")(?:,"at":"[^"]*")?\}$/s.exec(line)?.[1];
  if (end === undefined) return [];
  for (let skip = 0; skip <= 6; skip += 1) {
    try {
      const text: unknown = JSON.parse(`"${end.slice(skip)}`);
      return typeof text === "string" ? [{ text }] : [];
    } catch {
      // Try after the next character.
    }
  }
  return [];
}
