import { constants } from "node:fs";
import { mkdir, open, type FileHandle } from "node:fs/promises";
import { dirname } from "node:path";
import { LONGEST_ENTRY_TEXT, storedLogEntry } from "#execution/logs/stored-log-entry.js";
import { AppError, invalidField } from "../../../../errors.js";
import { requireRunning } from "./require-run.js";
import type { RunnerRunDeps } from "./runner-run-deps.js";

/** Notices of Omoi beyond the limit of the output. */
const NOTICES_BYTES = 64 * 1024;
/** Longest entry in bytes: each code unit may be escaped. */
const LONGEST_LINE = 6 * LONGEST_ENTRY_TEXT + 200;

/** The appends under way, by run: they are written one after another. */
const appending = new Map<string, Promise<unknown>>();

/**
 * Appends whole lines to the log of a run, and returns its size. What the log has already is skipped.
 * @param offset position of the first byte
 * @throws AppError 404; 409 `run_ended`, `log_gap`; 413 `body_too_large`; 422 for lines that no writer of logs makes
 */
export async function appendLog(
  deps: RunnerRunDeps,
  runnerId: string,
  runId: string,
  offset: number,
  bytes: Buffer,
): Promise<number> {
  checkLines(bytes);
  const before = appending.get(runId) ?? Promise.resolve();
  const own = before
    .catch(() => undefined)
    .then(() => appendNow(deps, runnerId, runId, offset, bytes));
  appending.set(runId, own);
  try {
    return await own;
  } finally {
    if (appending.get(runId) === own) appending.delete(runId);
  }
}

async function appendNow(
  { db, storage, streams }: RunnerRunDeps,
  runnerId: string,
  runId: string,
  offset: number,
  bytes: Buffer,
): Promise<number> {
  const run = await requireRunning(db, runnerId, runId);
  const path = storage.runLog(run.org_id, run.project, run.id);
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const file = await open(path, constants.O_RDWR | constants.O_CREAT, 0o600);
  try {
    const size = await completeSize(file);
    if (offset > size) {
      throw new AppError("log_gap", `The log has ${size} bytes; continue at that offset.`, {
        offset: size,
        headers: { "omoi-log-offset": String(size) },
      });
    }
    const known = size - offset;
    if (known >= bytes.length) return size;
    if (known > 0 && bytes[known - 1] !== NEWLINE) {
      throw invalidField("offset", "is not the position of these lines in the log");
    }
    const added = bytes.subarray(known);
    if (size + added.length > run.limits.output_bytes + NOTICES_BYTES) {
      throw new AppError("body_too_large", "The log has reached the limit of the run's output.");
    }
    // At its place: the same upload through two processes of the node is written once.
    await writeAt(file, added, size);
    return size + added.length;
  } finally {
    await file.close();
    streams.written(runId);
  }
}

const NEWLINE = 10;

async function writeAt(file: FileHandle, bytes: Buffer, position: number): Promise<void> {
  for (let at = 0; at < bytes.length;) {
    const { bytesWritten } = await file.write(bytes, at, bytes.length - at, position + at);
    at += bytesWritten;
  }
}

/** Returns the size of the complete lines; half a line that a crash left is removed. */
async function completeSize(file: FileHandle): Promise<number> {
  const { size } = await file.stat();
  if (size === 0) return 0;
  const length = Math.min(size, LONGEST_LINE);
  const { buffer } = await file.read(Buffer.alloc(length), 0, length, size - length);
  const complete = size - length + buffer.lastIndexOf(NEWLINE) + 1;
  if (complete < size) await file.truncate(complete);
  return complete;
}

/** @throws AppError 422 */
function checkLines(bytes: Buffer): void {
  if (bytes.length === 0) return;
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw invalidField("log", "is not UTF-8");
  }
  if (!text.endsWith("\n")) throw invalidField("log", "does not end with a line break");
  for (const [index, line] of text.slice(0, -1).split("\n").entries()) {
    if (!isEntry(line)) throw invalidField("log", `line ${index + 1} is not an entry of a log`);
  }
}

/** Whether a line is as the writer of logs writes it. */
function isEntry(line: string): boolean {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return false;
  }
  const { success, data } = storedLogEntry.safeParse(value);
  if (!success) return false;
  const { text, raw = "" } = data;
  return text.length + raw.length <= LONGEST_ENTRY_TEXT && JSON.stringify(data) === line;
}
