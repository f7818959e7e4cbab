import { z } from "zod";
import { logEntry } from "#shared/api/execution/runs.js";

/** An entry of a log's file. `raw` is the program's own output that `text` tells; its order is that of the file. */
export const storedLogEntry = z.strictObject({
  stream: logEntry.shape.stream,
  at: logEntry.shape.at,
  raw: z.string().optional(),
  text: logEntry.shape.text,
});
export type StoredLogEntry = z.output<typeof storedLogEntry>;

/** Maximum length of an entry's texts in UTF-16 code units; longer lines are split. */
export const LONGEST_ENTRY_TEXT = 16 * 1024;
