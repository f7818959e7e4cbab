import { Readable } from "node:stream";
import { openLogReader, lastLines, logText, type LogText } from "./log-reader.js";

/** What of a log is asked for as text. */
export interface LogQuery extends LogText {
  tail?: number | undefined;
}

/** A run's log as text, as far as it is written. */
export async function showLog(path: string, query: LogQuery): Promise<Readable | string> {
  const reader = await openLogReader(path);
  if (!reader) return "";
  if (query.tail !== undefined) {
    try {
      return await lastLines(reader, query, query.tail);
    } finally {
      await reader.close();
    }
  }
  async function* pieces(open: NonNullable<typeof reader>): AsyncGenerator<string> {
    try {
      yield* logText(open, query);
    } finally {
      await open.close();
    }
  }
  return Readable.from(pieces(reader), { objectMode: false });
}
