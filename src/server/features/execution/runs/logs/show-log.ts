import { Readable } from "node:stream";
import type { LogAccess, LogCaller } from "./log-access.js";
import { lastLines, logText, type InTurn, type LogReader, type LogText } from "./log-reader.js";

/** The requested part of a log as text. */
export interface LogQuery extends LogText {
  tail?: number | undefined;
}

/**
 * Opens the current log of a run as text, read at the client's speed.
 * @throws AppError 429, 503 when too many logs are open; 503 `log_unavailable`
 */
export async function showLog(
  access: LogAccess,
  input: {
    openFile: (inTurn: InTurn) => Promise<LogReader | null>;
    reader: LogCaller;
    query: LogQuery;
  },
): Promise<Readable> {
  const { openFile, reader, query } = input;
  const leave = access.enter(reader);
  // Before the answer begins: a log that cannot be read is an error with a status.
  const log = await openFile(access.inTurn(reader.orgId)).catch((error: unknown) => {
    leave();
    throw error;
  });
  async function* pieces(): AsyncGenerator<string> {
    if (!log) return;
    const span = query.tail === undefined ? undefined : await lastLines(log, query, query.tail);
    yield* logText(log, query, span);
  }
  return Readable.from(pieces(), { objectMode: false }).once("close", () => {
    leave();
    // A generator that was never read does not end.
    void log?.close();
  });
}
