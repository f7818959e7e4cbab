import { spawn } from "node:child_process";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { isThorough } from "../thorough.js";
import { openTestSandbox, type SandboxKind, type TestSandbox } from "./test-sandbox.js";

/** The tests of a command in a sandbox of one kind. */
export function testCommands({ setting, mode }: SandboxKind): void {
  let sandbox: TestSandbox;

  beforeAll(async () => {
    sandbox = await openTestSandbox({ sandbox: setting });
  });

  afterAll(() => sandbox.close());

  test("probes the enforceable limits", () => {
    expect(sandbox.report).toMatchObject({
      mode,
      reason: null,
      seccomp: true,
      network: true,
      limits: {
        memory: { enforced: true },
        processes: { enforced: true },
        output: { enforced: true },
        disk: { enforced: true },
      },
    });
  });

  test("reads what is written to its input, and its end", async () => {
    expect(await sandbox.run(["cat"])).toMatchObject({ exitCode: 0, output: "" });
    const started = await sandbox.start(["sh", "-c", "read one; echo got $one; cat; echo end"], {
      hasInput: true,
    });
    started.input?.write("first\n");
    await expect.poll(() => started.output()).toBe("got first\n");
    const much = "x".repeat(1_000_000);
    started.input?.end(much);
    expect(await started.done).toMatchObject({ exitCode: 0 });
    expect(started.output()).toBe(`got first\n${much}end\n`);
    // An input that nothing reads, and a command that ends before it is read.
    const ended = await sandbox.start(["true"], { hasInput: true });
    ended.input?.write(much);
    expect(await ended.done).toMatchObject({ exitCode: 0 });
  });

  // It would slow all other tests of the machine.
  test.runIf(isThorough)("probes correctly on a busy machine", async () => {
    const busy = Array.from({ length: 16 }, () => spawn("sh", ["-c", "while :; do :; done"]));
    try {
      for (let times = 0; times < 2; times += 1) {
        const other = await openTestSandbox({ sandbox: setting });
        expect(other.report).toEqual(sandbox.report);
        await other.close();
      }
    } finally {
      for (const child of busy) child.kill("SIGKILL");
    }
  });

  test("a command runs in its folder with exact arguments and variables", async () => {
    const folder = sandbox.workspace();
    await writeFile(join(folder, "in"), "from the server");
    const script = `
    const fs = require("fs");
    fs.writeFileSync("out", fs.readFileSync("in", "utf8") + " and back");
    console.log(JSON.stringify({ args: process.argv.slice(1), env: process.env, cwd: process.cwd() }));`;
    const words = ["", "a b", "$HOME;`id`", "--", "'\"\n"];
    const ended = await sandbox.run(["node", "-e", script, "--", ...words], {
      folder,
      env: { GREETING: 'grüß\n"dich"', LD_PRELOAD: "/workspace/nothing.so", HOME: "/tmp" },
    });
    expect(ended).toMatchObject({ reason: "exited", exitCode: 0, signal: null });
    const seen = JSON.parse(ended.output.slice(ended.output.indexOf("{"))) as {
      args: string[];
      env: Record<string, string>;
      cwd: string;
    };
    expect(seen.args).toEqual(words);
    expect(seen.cwd).toBe("/workspace");
    expect(seen.env).toMatchObject({ GREETING: 'grüß\n"dich"', HOME: "/tmp", USER: "agent" });
    expect(Object.keys(seen.env).filter((name) => name.startsWith("OMOI_"))).toEqual([]);
    expect(await readFile(join(folder, "out"), "utf8")).toBe("from the server and back");
  });

  test("reports the end of a command like a shell", async () => {
    expect(await sandbox.run(["sh", "-c", "exit 3"])).toMatchObject({
      reason: "exited",
      exitCode: 3,
    });
    expect(await sandbox.run(["sh", "-c", "kill -SEGV $$"])).toMatchObject({
      reason: "exited",
      exitCode: 139,
      signal: "SIGSEGV",
    });
    expect(await sandbox.run(["no-such-program"])).toMatchObject({
      reason: "start_failed",
      detail: "no-such-program: No such file or directory",
    });
  });

  test("stop sends TERM first, then kills the remaining processes", async () => {
    const started = await sandbox.start([
      "sh",
      "-c",
      "trap 'echo bye; exit 7' TERM; echo up; sleep 60 & wait",
    ]);
    await expect.poll(() => started.output()).toContain("up");
    started.stop(20_000);
    expect(await started.done).toMatchObject({ reason: "stopped", exitCode: 7 });
    expect(started.output()).toContain("bye");

    const deaf = await sandbox.start([
      "node",
      "-e",
      `process.on("SIGTERM", () => console.log("no")); console.log("up"); setInterval(() => {}, 1000);`,
    ]);
    await expect.poll(() => deaf.output()).toContain("up");
    deaf.stop(300);
    expect(await deaf.done).toMatchObject({ reason: "stopped", signal: "SIGKILL" });
    expect(deaf.output()).toContain("no");
  });

  test("a command that exceeds its memory limit is killed with that reason", async () => {
    const ended = await sandbox.run(["dd", "if=/dev/zero", "of=/dev/null", "bs=400M", "count=1"], {
      limits: { memoryBytes: 64 << 20 },
    });
    expect(ended.reason).toBe("memory");
  });

  test("a command can open its output pipes by name", async () => {
    const ended = await sandbox.run(["sh", "-c", "echo one > /dev/stdout; echo two > /dev/stderr"]);
    expect(ended).toMatchObject({ exitCode: 0, output: "one\ntwo\n" });
  });

  test("removes a server's sandbox files on close, and those of a dead server on the next start", async () => {
    const other = await openTestSandbox({ sandbox: setting });
    const folder = join(other.dataDir, "sandbox");
    const dead = join(folder, "999999999-1-00000000");
    await mkdir(dead, { recursive: true });
    await other.cleanUp();
    const [own, ...more] = await readdir(folder);
    expect(own).toMatch(new RegExp(`^${process.pid}-`));
    expect(more).toEqual([]);
    await other.close();
    expect(await sandbox.run(["true"])).toMatchObject({ exitCode: 0 });
  });

  test("enforces limits by a monitor and resource limits without control groups", async () => {
    const watched = await openTestSandbox({ sandbox: setting }, false);
    expect(watched.report.limits).toMatchObject({
      memory: { enforced: true, by: "a monitor" },
      processes: { enforced: true, by: "resource limits" },
      cpu: { enforced: false, by: null },
    });
    const hog = "const held = []; setInterval(() => held.push(Buffer.alloc(1 << 22, 1)), 1)";
    const limits = { memoryBytes: 200 << 20 };
    expect(await watched.run(["node", "-e", hog], { limits })).toMatchObject({ reason: "memory" });
    const file =
      "head -c 150000000 /dev/zero > /tmp/file; node -e 'global.held = Buffer.alloc(1 << 28, 1); setTimeout(() => {}, 60000)'";
    expect(await watched.run(["sh", "-c", file], { limits })).toMatchObject({ reason: "memory" });
    const bomb = await watched.run(["sh", "-c", "for i in $(seq 40); do sleep 5 & done; wait"], {
      limits: { processes: 20 },
    });
    expect(bomb.exitCode).toBe(2);
    expect(bomb.output).toContain("Cannot fork");
    await expect(watched.start(["true"], { limits: { cpus: 1 } })).rejects.toThrow(
      "This machine cannot enforce the limit of cpu",
    );
    await watched.close();
  });

  test("a processor limit throttles a command", async () => {
    // Needs far more than the 2 ms that it gets of each 100 ms, also on a busy machine.
    const count = "i=0; while [ $i -lt 50000 ]; do i=$((i+1)); done";
    const ended = await sandbox.run(["sh", "-c", count], { limits: { cpus: 0.02 } });
    expect(ended.exitCode).toBe(0);
    expect(ended.throttled).toBeGreaterThan(0);
  });

  test("reads output no faster than it is consumed", async () => {
    let take: () => void = () => undefined;
    let pieces = 0;
    const taken = new Promise<void>((resolve) => {
      take = resolve;
    });
    const started = await sandbox.start(["yes"], {
      onOutput: () => {
        pieces += 1;
        return taken;
      },
    });
    await expect.poll(() => pieces).toBe(1);
    const before = process.memoryUsage().arrayBuffers;
    await new Promise((resolve) => {
      setTimeout(resolve, 300);
    });
    expect(pieces).toBe(1);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(4 << 20);
    started.stop(0);
    take();
    expect(await started.done).toMatchObject({ reason: "stopped" });
  });

  test("a command whose output cannot be stored is killed", async () => {
    const started = await sandbox.start(["yes"], {
      onOutput: async () => {
        throw new Error("the disk is full");
      },
    });
    await expect(started.done).rejects.toThrow("the disk is full");
  });

  test("refuses invalid commands before starting anything", async () => {
    await expect(sandbox.start([])).rejects.toThrow("The command is empty");
    await expect(sandbox.start(["a\0b"])).rejects.toThrow("NUL");
    await expect(sandbox.start(["true"], { env: { "A=B": "" } })).rejects.toThrow("cannot be set");
    await expect(sandbox.start(["true"], { folder: "/no/such/folder" })).rejects.toThrow(
      "The sandbox could not be created",
    );
  });

  test.each([
    ["control groups", true],
    ["resource limits", false],
  ])("counts a run's processes separately by %s", async (_by, withGroups) => {
    const here = await openTestSandbox({ sandbox: setting }, withGroups);
    const limits = { processes: 24 };
    const crowd = "for i in $(seq 16); do sleep 1000 & done; echo up; wait";
    const neighbours = await Promise.all(
      [1, 2, 3, 4].map(() => here.start(["sh", "-c", crowd], { limits })),
    );
    for (const neighbour of neighbours) await expect.poll(() => neighbour.output()).toContain("up");
    // As many again, all of the same user.
    const another = "for i in $(seq 16); do sleep 0.1 & done; wait";
    expect(await here.run(["sh", "-c", another], { limits })).toMatchObject({
      reason: "exited",
      exitCode: 0,
      output: "",
    });
    await here.close();
  });
}
