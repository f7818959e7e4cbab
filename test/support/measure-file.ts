/** Appends the processor time of each test file, of its worker and the commands that ended in it, to OMOI_TEST_TIMES. */
import { appendFileSync, readFileSync } from "node:fs";
import { afterAll, beforeAll, expect } from "vitest";

/** Clock ticks per second of /proc on Linux. */
const TICKS = 100;
const path = process.env["OMOI_TEST_TIMES"];

/** Seconds of this process and of its children that have ended (proc_pid_stat(5)). */
function processorSeconds(): number {
  const text = readFileSync("/proc/self/stat", "utf8");
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return fields.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks), 0) / TICKS;
}

if (path !== undefined) {
  let before = 0;
  let began = 0;
  beforeAll(() => {
    before = processorSeconds();
    began = performance.now();
  });
  afterAll(() => {
    const file = expect.getState().testPath;
    const seconds = (performance.now() - began) / 1000;
    appendFileSync(
      path,
      `${JSON.stringify({ file, seconds, cpu: processorSeconds() - before })}\n`,
    );
  });
}
