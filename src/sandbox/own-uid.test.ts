/** Kernel limits per user: one run exhausts its share, another is unaffected. */
import { chownSync } from "node:fs";
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

/** Run options with a workspace and the uid that owns it. */
function ownedBy(uid: number): { uid: number; folder: string } {
  const folder = sandbox.workspace();
  chownSync(folder, uid, uid);
  return { uid, folder };
}

const prelude = `
import array, ctypes, os, resource, socket, sys, time
libc = ctypes.CDLL(None, use_errno=True)
def checked(result):
    if result < 0: raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result
kept = []
`;

/** Takes each resource once; repeated until it is refused, at most \`most\` times. */
const resources = {
  "inotify instances": { most: 2000, take: "kept.append(checked(libc.inotify_init1(0)))" },
  "message queues": {
    most: 2000,
    take: `
name = b"/q%d" % len(kept)
kept.append(checked(libc.mq_open(name, os.O_CREAT | os.O_RDWR, 0o600, None)))`,
  },
  "descriptors in flight": {
    most: 6000,
    take: `
if not kept: kept.append(os.open("/dev/null", os.O_RDONLY))
if len(kept) % 100 == 1: pair = socket.socketpair()
pair[0].sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [kept[0]] * 10))])
kept.append(pair)`,
  },
};

function program(take: string, most: number, after: string): string[] {
  const body = take.trim().replaceAll("\n", "\n        ");
  const script = `${prelude}
try:
    for count in range(${most}):
        ${body}
    print("took", count + 1, flush=True)
except OSError as error:
    print("refused", count, error.strerror, flush=True)
${after}`;
  return ["python3", "-c", script];
}

test.runIf(isRoot).each(Object.entries(resources))(
  "a run that exhausts its %s leaves a run with another uid unaffected",
  async (_name, { take, most }) => {
    const limits = { openFiles: 3000, memoryBytes: 1 << 30 };
    const options = { ...ownedBy(1_900_000_001), limits };
    const greedy = await sandbox.start(program(take, most, "time.sleep(120)"), options);
    await expect.poll(() => greedy.output()).toContain("\n");
    expect(greedy.output()).toContain("refused");

    const innocent = await sandbox.run(program(take, 2, ""), { ...ownedBy(1_900_000_002), limits });
    expect(innocent.output).toContain("took 2");
    const sameUid = await sandbox.run(program(take, 2, ""), { ...ownedBy(1_900_000_001), limits });
    expect(sameUid.output).toContain("refused");
    greedy.stop(0);
    await greedy.done;
  },
);

test.runIf(isRoot)(
  "a run with its own uid is the usual user inside, and owns its files",
  async () => {
    const options = ownedBy(1_900_000_003);
    const ended = await sandbox.run(
      ["sh", "-c", "id -u; touch new; stat -c %u new; whoami"],
      options,
    );
    expect(ended.output).toBe(`${agentUid}\n${agentUid}\nagent\n`);
  },
);
