/**
 * The process of data merges: the server's event loop never parses agents' files, and their cost in
 * memory and time stays here. It ends with the server that started it.
 */
import { mergeData, type DataMerge, type FileVersions } from "./merge-data.js";

/** Messages of the process: that it has started, then one result for each file. */
export type FromDataProcess = { ready: true } | { merged: DataMerge };

function say(message: FromDataProcess): void {
  if (process.connected) process.send?.(message);
}

process.on("message", (file: FileVersions) => say({ merged: mergeData(file) }));
process.on("disconnect", () => process.exit(0));
// A terminal or systemd sends these to every process; this one must outlive the server.
process.on("SIGINT", () => undefined);
process.on("SIGTERM", () => undefined);
say({ ready: true });
