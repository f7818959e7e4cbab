/** Terminals and in-memory files of a run are separate and limited. */
import { chownSync, mkdirSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  agentUid,
  isRoot,
  openTestSandbox,
  type TestSandbox,
} from "#test/support/sandbox/test-sandbox.js";

let sandbox: TestSandbox;
beforeAll(async () => {
  sandbox = await openTestSandbox();
});
afterAll(() => sandbox.close());

const terminals = `
import os, time
kept = []
try:
    while len(kept) < 500: kept.append(os.openpty())
except OSError as error:
    print(len(kept), error.strerror, flush=True)
    time.sleep(60)
`;

test("a run that uses up its terminals leaves others theirs", async () => {
  const greedy = await sandbox.start(["python3", "-c", terminals]);
  await expect.poll(() => greedy.output()).toBe("64 No space left on device\n");
  const terminal = "import os; print(os.ttyname(os.openpty()[1]))";
  expect((await sandbox.run(["python3", "-c", terminal])).output).toBe("/dev/pts/0\n");
  greedy.stop(0);
  await greedy.done;
});

test.each(["/tmp", "/home/agent", "/dev/shm", "/run"])("files in %s are limited", async (path) => {
  const script = `i=0; while [ $i -lt 3000 ]; do i=$((i+1)); : > ${path}/$i || exit 9; done`;
  const many = await sandbox.run(["sh", "-c", script], {
    limits: { memoryBytes: 1 << 30, diskFiles: 1000 },
  });
  expect(many.exitCode).not.toBe(0);
  expect(many.output).toContain("No space left on device");
  const few = await sandbox.run(["sh", "-c", script], { limits: { memoryBytes: 1 << 30 } });
  expect(few.exitCode).toBe(0);
});

test("handles a workspace path with spaces and backslashes", async () => {
  const folder = `${sandbox.workspace()}/a b\\040#c`;
  mkdirSync(folder);
  if (isRoot) chownSync(folder, agentUid, agentUid);
  const ended = await sandbox.run(["sh", "-c", "echo x > file; cat /workspace/file"], { folder });
  expect(ended.output).toBe("x\n");
});
