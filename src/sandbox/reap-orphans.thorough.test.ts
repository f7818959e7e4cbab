/** Sandboxes leave nothing behind, however they and their server end. */
import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  openTestSandbox,
  processesWith,
  type TestSandbox,
} from "#test/support/sandbox/test-sandbox.js";
import { markerOf } from "./reap-orphans.js";
import { resourceName, readProcess, type ProcessIdentity } from "./processes.js";

let sandbox: TestSandbox;
beforeAll(async () => {
  sandbox = await openTestSandbox();
});
afterAll(() => sandbox.close());

/** The control groups that a process created for runs. */
function groupsOf(pid: number | undefined): string[] {
  const found = execFileSync("find", [
    "/sys/fs/cgroup",
    "-type",
    "d",
    "-path",
    `*/omoi-${pid}-*/*`,
  ]);
  return found.toString("utf8").split("\n").filter(Boolean);
}

/**
 * A process that opens a sandbox on `dataDir` and starts runs marked with `mark`.
 * @param port the reachable port of the machine; without it, runs have no network
 */
async function startServer(
  dataDir: string,
  mark: string,
  runs: number,
  port?: number,
): Promise<{ child: ChildProcess; said(): string }> {
  const file = join(import.meta.dirname, "../../test/support/sandbox/sandbox-server.ts");
  const words = [dataDir, mark, String(runs), ...(port === undefined ? [] : [String(port)])];
  const child = spawn(process.execPath, ["--import", "tsx", file, ...words], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let said = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    said += text;
  });
  await expect.poll(() => said).toContain("open\n");
  return { child, said: () => said };
}

async function kill(child: ChildProcess): Promise<void> {
  const gone = new Promise((resolve) => {
    child.on("exit", resolve);
  });
  child.kill("SIGKILL");
  await gone;
}

test("many short runs leave no process, mount, control group, descriptor or file", async () => {
  const folder = sandbox.workspace();
  const mark = `short-${randomUUID()}`;
  const count = (path: string): number => readdirSync(path).length;
  const state = join(sandbox.dataDir, "sandbox");
  const measure = (): Record<string, number> => ({
    descriptors: count("/proc/self/fd"),
    mounts: readFileSync("/proc/self/mountinfo", "utf8").split(sandbox.dataDir).length,
    groups: groupsOf(process.pid).length,
    processes: processesWith(mark).length,
    folders: count(state),
  });
  await sandbox.run(["true"]);
  const before = measure();
  const startRuns = async (): Promise<void> => {
    for (let round = 0; round < 25; round += 1) {
      const ended = await sandbox.run(["sh", "-c", "(sleep 60 &); exit 4", mark], { folder });
      expect(ended).toMatchObject({ reason: "exited", exitCode: 4 });
    }
  };
  await Promise.all(Array.from({ length: 8 }, startRuns));
  // Files of earlier tests may be closed meanwhile, and a timer may hold one.
  const { descriptors, ...all } = before;
  await expect.poll(measure).toMatchObject(all);
  await expect.poll(() => measure()["descriptors"]).toBeLessThan((descriptors as number) + 10);
  expect(before["processes"]).toBe(0);
  expect(readdirSync(join(state, readdirSync(state)[0] as string)).length).toBeLessThan(50);
});

test("with a server that is killed all its runs end, and the next start removes the rest", async () => {
  const dataDir = mkdtempSync(join(tmpdir(), "omoi-killed-"));
  const mark = `killed-${randomUUID()}`;
  const server = await startServer(dataDir, mark, 3);
  const { child } = server;
  await expect.poll(() => server.said().split("started").length).toBe(4);
  await expect.poll(() => processesWith(`sleep-${mark}`).length).toBeGreaterThan(5);
  if (sandbox.report.limits.memory.by !== "a monitor") expect(groupsOf(child.pid)).not.toEqual([]);
  await kill(child);
  await expect.poll(() => processesWith(mark)).toEqual([]);
  const next = await openTestSandbox({ dataDir });
  await next.cleanUp();
  expect(groupsOf(child.pid)).toEqual([]);
  expect(readdirSync(join(dataDir, "sandbox"))).toHaveLength(1);
  await next.close();
});

test("with a server that is killed while it starts runs, too", async () => {
  const dataDir = mkdtempSync(join(tmpdir(), "omoi-killed-"));
  const next = await openTestSandbox({ dataDir });
  for (const delayMs of [0, 4, 8, 15, 30]) {
    const mark = `starting-${randomUUID()}`;
    const { child } = await startServer(dataDir, mark, 6);
    await sleep(delayMs);
    await kill(child);
    await expect
      .poll(async () => {
        await next.cleanUp();
        return [...processesWith(mark), ...groupsOf(child.pid)];
      })
      .toEqual([]);
  }
  await next.close();
  rmSync(dataDir, { recursive: true, force: true });
});

test("leaves resources of a server with another data folder alone", async () => {
  const [own, other] = [await openTestSandbox(), await openTestSandbox()];
  const self = readProcess(process.pid) as ProcessIdentity;
  // As seen from a container: the pid means another process here, or none.
  const name = (of: { dataDir: string }) => resourceName({ ...self, startTime: "1" }, of.dataDir);
  const marked = [own, other].map((of) =>
    spawn("sh", ["-c", "read line", markerOf(name(of))], { stdio: ["pipe", "ignore", "ignore"] }),
  );
  const ended = once(marked[0] as ChildProcess, "close");
  await own.cleanUp();
  expect((await ended)[1]).toBe("SIGKILL");
  expect(marked[1]?.signalCode).toBeNull();
  marked[1]?.kill("SIGKILL");
  await Promise.all([own.close(), other.close()]);
});

test("with a server that is killed the networks of its runs end", async () => {
  const port = 20_000 + (process.pid % 10_000);
  const programs = (): number[] => processesWith(`--tcp-ns\0${port}\0`);
  for (const wanted of [3, 0]) {
    const dataDir = mkdtempSync(join(tmpdir(), "omoi-killed-"));
    const mark = `network-${randomUUID()}`;
    const server = await startServer(dataDir, mark, 3, port);
    await expect.poll(() => server.said().split("started").length).toBeGreaterThan(wanted);
    // Until its command runs, a run is one that is being started.
    const commands = (): number => processesWith(`sleep-${mark}`).length;
    if (wanted > 0) await expect.poll(commands).toBeGreaterThan(2 * wanted - 1);
    await kill(server.child);
    const next = await openTestSandbox({ dataDir });
    await expect
      .poll(async () => {
        // Runs that were being started outlive their server until its next start.
        if (wanted === 0) await next.cleanUp();
        return [...programs(), ...processesWith(mark)];
      })
      .toEqual([]);
    await next.close();
    rmSync(dataDir, { recursive: true, force: true });
  }
});

test("leaves the runs of a live server alone", async () => {
  const mark = `alive-${randomUUID()}`;
  const started = await sandbox.start(["sh", "-c", "sleep 60; exit 1", mark]);
  const other = await openTestSandbox({ dataDir: mkdtempSync(join(tmpdir(), "omoi-other-")) });
  await other.cleanUp();
  await other.close();
  expect(processesWith(mark)).not.toEqual([]);
  started.stop(0);
  expect(await started.done).toMatchObject({ reason: "stopped" });
});

test("a server that closes its sandbox ends its running commands", async () => {
  const other = await openTestSandbox();
  const started = await other.start(["sh", "-c", "trap '' TERM; while :; do sleep 1; done"]);
  await other.close();
  expect(await started.done).toMatchObject({ reason: "stopped", signal: "SIGKILL" });
});
