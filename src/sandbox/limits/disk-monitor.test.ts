/** Disk usage of a run that no path shows, or that consists of many small files. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { openTestSandbox, type TestSandbox } from "#test/support/sandbox/test-sandbox.js";

let sandbox: TestSandbox;

beforeAll(async () => {
  sandbox = await openTestSandbox();
});
afterAll(() => sandbox.close());

const limits = { diskBytes: 16 << 20, diskFiles: 2000 };

/** A program that holds 80 MB in files of 4 MB, each deleted and passed to `hold`. */
function holding(hold: string): string[] {
  const script = `
import array, mmap, os, socket, subprocess, sys, threading, time
pairs, maps, threads = [], [], []
${hold}
for number in range(20):
    name = "file-%d" % number
    fd = os.open(name, os.O_CREAT | os.O_RDWR)
    os.write(fd, bytes(4_000_000))
    os.unlink(name)
    hold(fd)
print("all", flush=True)
time.sleep(120)
`;
  return ["python3", "-c", script];
}

const holds = {
  "open in a process": "def hold(fd): pass",
  mapped: `
def hold(fd):
    maps.append(mmap.mmap(fd, 4096))
    os.close(fd)`,
  "in flight between sockets": `
def hold(fd):
    pair = socket.socketpair()
    pairs.append(pair)
    pair[0].sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]))])
    os.close(fd)`,
  "open in a thread with descriptors of its own": `
import ctypes
def work(fd, copied):
    ctypes.CDLL(None).unshare(0x400)
    copied.set()
    time.sleep(120)
def hold(fd):
    copied = threading.Event()
    threading.Thread(target=work, args=(fd, copied), daemon=True).start()
    copied.wait()
    os.close(fd)`,
};

test.each(Object.entries(holds))("counts deleted files that are %s", async (_how, hold) => {
  expect(await sandbox.run(holding(hold), { limits })).toMatchObject({ reason: "disk" });
});

test("does not count deleted files that no process holds", async () => {
  const script =
    "for i in 1 2 3 4 5 6 7 8 9 10; do head -c 8000000 /dev/zero > f; rm f; sleep 0.1; done";
  expect(await sandbox.run(["sh", "-c", script], { limits })).toMatchObject({ exitCode: 0 });
});

test("too many files in a workspace end the run", async () => {
  const folder = sandbox.workspace();
  const many = "mkdir d; i=0; while :; do i=$((i+1)); : > d/$i || exit 9; done";
  const ended = await sandbox.run(["sh", "-c", many], { folder, limits });
  expect(ended).toMatchObject({ reason: "files", signal: "SIGKILL" });
  expect(ended.detail).toContain("limit of files");
  const again = await sandbox.run(["sleep", "60"], { folder, limits });
  expect(again).toMatchObject({ reason: "files" });
});
