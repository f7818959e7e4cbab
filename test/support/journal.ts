/**
 * Appends the begin of each test file and test, and the end of each file with its processor time, to SUITE_JOURNAL:
 * synchronously, so that the journal names the test in which a worker hangs. Processes of the file inherit
 * SUITE_FILE.
 */
import { appendFileSync, readFileSync } from "node:fs";
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
  process.env["SUITE_FILE"] = file;
  write({ event: "begin" });
  beforeEach(({ task }) => write({ event: "test", name: task.fullTestName }));
  afterAll(() => write({ event: "end", cpu: processorSeconds() - before }));
}
