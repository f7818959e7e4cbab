import { expect, test } from "vitest";
import { testCommands } from "#test/support/sandbox/command-tests.js";
import {
  describeBubblewrap,
  openTestSandbox,
  processesWith,
} from "#test/support/sandbox/test-sandbox.js";

test("runs commands without a sandbox if configured", async () => {
  const off = await openTestSandbox({ sandbox: "off" });
  expect(off.report).toMatchObject({ mode: "off", seccomp: false, network: false });
  expect(off.report.reason).toContain("OMOI_SANDBOX is off");
  const folder = off.workspace();
  const ended = await off.run(["sh", "-c", "pwd; echo $GREETING; exit 5"], {
    folder,
    env: { GREETING: "hello" },
  });
  expect(ended).toMatchObject({ reason: "exited", exitCode: 5, output: `${folder}\nhello\n` });
  expect(await off.run(["no-such-program"])).toMatchObject({ reason: "start_failed" });
  const started = await off.start([
    "sh",
    "-c",
    "trap '' TERM; echo up; sleep 61.25 & wait; sleep 61.25",
  ]);
  await expect.poll(() => started.output()).toContain("up");
  started.stop(200);
  expect(await started.done).toMatchObject({ reason: "stopped", signal: "SIGKILL" });
  await expect.poll(() => processesWith("61.25")).toEqual([]);
  await off.close();
});

describeBubblewrap("a command", testCommands);
