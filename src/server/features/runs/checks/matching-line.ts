import { setImmediate as immediate } from "node:timers/promises";
import type { RE2JS } from "re2js";
import { logText, type LogReader } from "../logs/log-reader.js";

/** Longer lines are matched by their beginning, in UTF-16 code units. */
const MAX_LINE = 10_000;

/**
 * Whether a line of a stored log matches, without its line break; closes the log. The time is proportional to the
 * log's length, and other work of the process goes on meanwhile.
 */
export async function hasMatchingLine(log: LogReader | null, pattern: RE2JS): Promise<boolean> {
  if (!log) return false;
  const matches = (line: string): boolean => pattern.matcher(line.slice(0, MAX_LINE)).find();
  try {
    let rest = "";
    for await (const text of logText(log, { times: false })) {
      const lines = (rest + text).split("\n");
      rest = (lines.pop() ?? "").slice(0, MAX_LINE);
      for (const line of lines) if (matches(line)) return true;
      await immediate();
    }
    return rest !== "" && matches(rest);
  } finally {
    await log.close();
  }
}
