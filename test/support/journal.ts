/**
 * Appends the begin of each test file and test, and the end of each file with its processor time, to SUITE_JOURNAL:
 * synchronously, so that the journal names the test in which a worker hangs. Processes of the file inherit
 * SUITE_FILE, and have a folder for temporary files that is only of this file.
 */
import { appendFileSync, chmodSync, mkdtempSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, beforeEach, expect } from "vitest";

/** Clock ticks per second of /proc on Linux. */
const TICKS = 100;
const path = process.env["SUITE_JOURNAL"];

/** Seconds of this process and of its children that have ended (proc_pid_stat(5)). */
function processorSeconds(): number {
  try {
    const text = readFileSync("/proc/self/stat", "utf8");
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    return fields.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks), 0) / TICKS;
  } catch {
    return 0;
  }
}

if (path !== undefined) {
  const file = expect.getState().testPath ?? "";
  const write = (entry: object) =>
    appendFileSync(path, `${JSON.stringify({ pid: process.pid, file, ...entry })}\n`);
  const before = processorSeconds();
  const folder = mkdtempSync(join(dirname(path), "file-"));
  // Servers and agents have accounts of their own.
  chmodSync(folder, 0o1777);
  process.env["SUITE_FILE"] = file;
  process.env["TMPDIR"] = folder;
  write({ event: "begin", folder });
  beforeEach(({ task }) => write({ event: "test", name: task.fullTestName }));
  afterAll(() => write({ event: "end", cpu: processorSeconds() - before }));
}
