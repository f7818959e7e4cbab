import { Readable } from "node:stream";
import type { LogAccess, LogCaller } from "./log-access.js";
import { lastLines, logText, openLogReader, type LogText } from "./log-reader.js";

/** The requested part of a log as text. */
export interface LogQuery extends LogText {
  tail?: number | undefined;
}

/**
 * Opens the current log of a run as text, read at the client's speed.
 * @throws AppError 429, 503 when too many logs are open
 */
export function showLog(
  access: LogAccess,
  { path, reader, query }: { path: string; reader: LogCaller; query: LogQuery },
): Readable {
  const leave = access.enter(reader);
  async function* pieces(): AsyncGenerator<string> {
    const log = await openLogReader(path, access.inTurn(reader.orgId));
    if (!log) return;
    try {
      const span = query.tail === undefined ? undefined : await lastLines(log, query, query.tail);
      yield* logText(log, query, span);
    } finally {
      await log.close();
    }
  }
  return Readable.from(pieces(), { objectMode: false }).once("close", leave);
}
