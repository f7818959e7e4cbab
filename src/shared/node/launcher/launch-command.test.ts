import { execFile } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import { launchCommand, type Command } from "./launch-command.js";

const command = (script: string, more: Partial<Command> = {}): Command => ({
  file: "/bin/sh",
  args: ["-c", script],
  cwd: "/",
  env: { PATH: "/usr/bin:/bin" },
  timeoutMs: 60_000,
  maxOutputBytes: 16 * 1024 * 1024,
  ...more,
});
const run = (script: string, more: Partial<Command> = {}) => launchCommand(command(script, more));

/** Returns the processes whose command line contains a text. */
function processesWith(text: string): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(text);
      } catch {
        return false;
      }
    })
    .map(Number);
}

describe("a launched command", () => {
  test("has the exit code, the output and the end of standard error", async () => {
    const result = await run("printf out; printf err >&2; exit 7");
    expect(result).toEqual({
      exitCode: 7,
      signal: null,
      stdout: Buffer.from("out"),
      stderr: "err",
      failure: null,
    });
    expect((await run("yes problem | head -c 1000000 >&2")).stderr).toHaveLength(64 * 1024);
    expect(await run("kill -9 $$")).toMatchObject({ exitCode: null, signal: "SIGKILL" });
  });

  test("gets its environment, folder, umask and input, and nothing of this process", async () => {
    process.env["OMOI_TEST_LEAK"] = "secret";
    const env = { PATH: "/usr/bin:/bin", GIVEN: "yes" };
    const { stdout } = await run("env; pwd; umask; cat", {
      env,
      cwd: "/usr",
      umask: 0o027,
      input: Buffer.from("input"),
    });
    delete process.env["OMOI_TEST_LEAK"];
    const text = stdout.toString();
    expect(text).toContain("GIVEN=yes");
    expect(text).not.toContain("secret");
    expect(text).toMatch(/\/usr\n0027\ninput$/);
    expect((await run("cat")).stdout).toHaveLength(0);
  });

  test("keeps every byte of large inputs and outputs, many at once", async () => {
    const hash = (bytes: Buffer): string => createHash("sha256").update(bytes).digest("hex");
    await Promise.all(
      Array.from({ length: 40 }, async (_, index) => {
        const input = randomBytes(index * 50_000);
        const { stdout, exitCode } = await run("cat", { input });
        expect([exitCode, stdout.length, hash(stdout)]).toEqual([0, input.length, hash(input)]);
      }),
    );
  });

  test("that ends without reading its input is judged by its exit code", async () => {
    const input = Buffer.alloc(4 * 1024 * 1024);
    expect(await run("exit 3", { input })).toMatchObject({ exitCode: 3, failure: null });
  });

  test("is killed with its children at a timeout, too much output, or an abort", async () => {
    const mark = `sleep 98${process.pid}`;
    const busy = `${mark} & ${mark}`;
    expect(await run(busy, { timeoutMs: 100 })).toMatchObject({ failure: "timeout" });
    const flood = await run(`${mark} & yes`, { maxOutputBytes: 100_000 });
    expect(flood.failure).toBe("output_too_large");
    expect(flood.stdout.length).toBeLessThanOrEqual(100_000);
    const abort = new AbortController();
    const aborted = run(busy, { signal: abort.signal });
    abort.abort();
    expect(await aborted).toMatchObject({ failure: "aborted" });
    expect(await run(busy, { signal: AbortSignal.abort() })).toMatchObject({ failure: "aborted" });
    await expect.poll(() => processesWith(mark)).toEqual([]);
  });

  test("that cannot be started says why", async () => {
    const missing = await launchCommand(command("", { file: "/no/such/program" }));
    expect(missing).toMatchObject({ exitCode: null, failure: "not_found" });
    expect(missing.stderr).toContain("ENOENT");
    const tooLong = await run("true", { env: { LONG: "x".repeat(3 * 1024 * 1024) } });
    expect(tooLong).toMatchObject({ exitCode: null, failure: "not_found" });
    expect(tooLong.stderr).toContain("E2BIG");
    expect((await run("printf on")).stdout.toString()).toBe("on");
  });

  test("fails if the process that starts commands is killed; the next one starts another", async () => {
    const { stdout } = await run("echo $PPID");
    const launcher = Number(stdout.toString());
    const pending = run("sleep 0.5; echo late");
    process.kill(launcher, "SIGKILL");
    expect(await pending).toMatchObject({ exitCode: null, failure: null });
    expect((await pending).stderr).toContain("has ended");
    const next = await run("echo $PPID");
    expect(Number(next.stdout.toString())).not.toBe(launcher);
  });
});

test("the process ends with its server, which it does not keep from ending", async () => {
  const module = join(import.meta.dirname, "launch-command.ts");
  const script = `
    import { launchCommand } from ${JSON.stringify(module)};
    const { stdout } = await launchCommand({ file: "/bin/sh", args: ["-c", "echo $PPID"], cwd: "/",
      env: {}, timeoutMs: 0, maxOutputBytes: 100 });
    process.stdout.write(stdout);`;
  const argv = ["--import", "tsx", "--input-type=module", "--eval", script];
  const { stdout } = await promisify(execFile)(process.execPath, argv, { timeout: 60_000 });
  const launcher = stdout.trim();
  expect(launcher).toMatch(/^\d+$/);
  await expect.poll(() => readdirSync("/proc").includes(launcher)).toBe(false);
});
