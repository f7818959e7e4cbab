import { chownSync, mkdtempSync, rmSync } from "node:fs";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { randomUUID } from "node:crypto";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openSandbox } from "./open-sandbox.js";
import type { Sandbox, SandboxedProcess, SandboxExit, SandboxInput } from "./sandbox.js";

const agentUid = 60_861;
const dataDir = mkdtempSync(join(tmpdir(), "omoi-sandbox-"));
let sandbox: Sandbox;

beforeAll(async () => {
  sandbox = await openSandbox({ dataDir, sandbox: "required", agentUid, sandboxReadOnly: [] });
});

afterAll(async () => {
  await sandbox.close();
  rmSync(dataDir, { recursive: true, force: true });
});

/** A workspace's folder, given to the agent's user. */
async function workspace(name: string = randomUUID()): Promise<string> {
  const folder = join(dataDir, "workspaces", name);
  await mkdir(folder, { recursive: true });
  if (process.getuid?.() === 0) chownSync(folder, agentUid, agentUid);
  return folder;
}

async function start(
  command: readonly string[],
  input: Partial<Omit<SandboxInput, "limits">> & { limits?: Partial<SandboxInput["limits"]> } = {},
): Promise<SandboxedProcess & { output(): string }> {
  let output = "";
  const started = await sandbox.start({
    id: randomUUID(),
    folder: input.folder ?? (await workspace()),
    command,
    env: {},
    network: "none",
    onOutput: (_stream, chunk) => {
      output += chunk.toString("utf8");
    },
    ...input,
    limits: {
      memoryBytes: 1 << 30,
      processes: 128,
      cpus: null,
      diskBytes: null,
      ...input.limits,
    },
  });
  return { ...started, output: () => output };
}

async function run(...args: Parameters<typeof start>): Promise<SandboxExit & { output: string }> {
  const started = await start(...args);
  const exit = await started.done;
  return { ...exit, output: started.output() };
}

test("what holds here is found by trying it", () => {
  expect(sandbox.report).toMatchObject({
    mode: "bubblewrap",
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

test("a command works in its folder, with its arguments and variables as they were given", async () => {
  const folder = await workspace();
  await writeFile(join(folder, "in"), "from the server");
  const script = `
    const fs = require("fs");
    fs.writeFileSync("out", fs.readFileSync("in", "utf8") + " and back");
    console.log(JSON.stringify({ args: process.argv.slice(1), env: process.env, cwd: process.cwd() }));`;
  const words = ["", "a b", "$HOME;`id`", "--", "'\"\n"];
  const ended = await run(["node", "-e", script, "--", ...words], {
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

test("how a command ended is told as a shell tells it", async () => {
  expect(await run(["sh", "-c", "exit 3"])).toMatchObject({ reason: "exited", exitCode: 3 });
  expect(await run(["sh", "-c", "kill -SEGV $$"])).toMatchObject({
    reason: "exited",
    exitCode: 139,
    signal: "SIGSEGV",
  });
  expect(await run(["no-such-program"])).toMatchObject({
    reason: "start_failed",
    detail: "no-such-program: No such file or directory",
  });
});

test("a stop asks first and then ends what does not listen, with all it started", async () => {
  const started = await start([
    "sh",
    "-c",
    "trap 'echo bye; exit 7' TERM; echo up; sleep 60 & wait",
  ]);
  await expect.poll(() => started.output()).toContain("up");
  started.stop(20_000);
  expect(await started.done).toMatchObject({ reason: "stopped", exitCode: 7 });
  expect(started.output()).toContain("bye");

  const deaf = await start([
    "node",
    "-e",
    `process.on("SIGTERM", () => console.log("no")); console.log("up"); setInterval(() => {}, 1000);`,
  ]);
  await expect.poll(() => deaf.output()).toContain("up");
  deaf.stop(300);
  expect(await deaf.done).toMatchObject({ reason: "stopped", signal: "SIGKILL" });
  expect(deaf.output()).toContain("no");
});

test("more memory than is allowed ends a command, and says so", async () => {
  const ended = await run(["dd", "if=/dev/zero", "of=/dev/null", "bs=400M", "count=1"], {
    limits: { memoryBytes: 64 << 20 },
  });
  expect(ended.reason).toBe("memory");
});

test("what a server wrote for its sandboxes goes with it", async () => {
  const other = await openSandbox({ dataDir, sandbox: "off", agentUid, sandboxReadOnly: [] });
  expect(other.report).toMatchObject({ mode: "off", seccomp: false, network: false });
  const folder = join(dataDir, "sandbox");
  await mkdir(join(folder, "999999999-1-00000000"), { recursive: true });
  await sandbox.cleanUp();
  expect(await readdir(folder)).toHaveLength(2);
  await other.close();
  expect(await readdir(folder)).toHaveLength(1);
  expect(await run(["true"])).toMatchObject({ exitCode: 0 });
});
