/**
 * Checks the requests to a simulated Docker engine; no container runs (see
 * test/support/sandbox/fake-docker-engine.ts).
 */
import { mkdirSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import {
  frame,
  startFakeEngine,
  type FakeEngine,
} from "#test/support/sandbox/fake-docker-engine.js";
import { openDocker, type DockerSandbox } from "./docker.js";
import { resourceName, readProcess, type ProcessRecord } from "../processes.js";
import type { SandboxInput } from "../sandbox.js";

let folder: string;
let engine: FakeEngine;
let docker: DockerSandbox;

const open = (dockerImage = "node:24"): Promise<DockerSandbox> =>
  openDocker({
    dataDir: folder,
    dockerSocket: join(folder, "docker.sock"),
    dockerImage,
    agentUid: 60_861,
    networkUid: 60_860,
  });

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "omoi-docker-"));
  mkdirSync(join(folder, "ws_worker-1"));
  engine = await startFakeEngine(join(folder, "docker.sock"));
  docker = await open();
});

afterEach(async () => {
  await docker.close();
  await engine.close();
  rmSync(folder, { recursive: true, force: true });
});

function inputOf(said: string[] = []): SandboxInput {
  return {
    id: "8f0c4ac6-2f15-4f3c-9a55-0f6a51b0a000",
    folder: join(folder, "ws_worker-1"),
    home: null,
    uid: null,
    command: ["npm", "test", "--", "a b"],
    env: { GREETING: "hello", HOME: "/tmp" },
    network: "none",
    limits: { memoryBytes: 1 << 30, processes: 100, cpus: 1.5, diskBytes: null, diskFiles: null },
    onOutput: (stream, chunk) => {
      said.push(`${stream}: ${chunk.toString("utf8")}`);
    },
  };
}

test("a container gets the workspace and nothing else of the machine", async () => {
  const started = await docker.start(inputOf());
  expect(started.pid).toBe(4711);
  expect(await started.done).toMatchObject({ reason: "exited", exitCode: 0, signal: null });
  const uid = process.getuid?.() === 0 ? 60_861 : process.getuid?.();
  const [container] = engine.containers;
  expect(container?.created).toMatchObject({
    Image: "node:24",
    Entrypoint: [],
    Cmd: ["npm", "test", "--", "a b"],
    User: `${uid}:${uid}`,
    WorkingDir: "/workspace",
    Tty: false,
    OpenStdin: false,
  });
  expect(container?.created["Env"]).toEqual(
    expect.arrayContaining(["GREETING=hello", "HOME=/tmp"]),
  );
  const host = container?.created["HostConfig"] as Record<string, unknown>;
  expect(host).toMatchObject({
    Init: true,
    Mounts: [{ Type: "bind", Source: join(folder, "ws_worker-1"), Target: "/workspace" }],
    ReadonlyRootfs: true,
    NetworkMode: "none",
    CapDrop: ["ALL"],
    SecurityOpt: ["no-new-privileges"],
    Privileged: false,
    IpcMode: "private",
    Memory: 1 << 30,
    MemorySwap: 1 << 30,
    PidsLimit: 100,
    NanoCpus: 1_500_000_000,
    RestartPolicy: { Name: "no" },
    LogConfig: { Type: "none" },
  });
  expect(JSON.stringify(container?.created)).not.toContain("docker.sock");
  for (const name of ["Binds", "CapAdd", "Devices", "PidMode", "UsernsMode"]) {
    expect(host).not.toHaveProperty(name);
  }
  // Attached and awaited before the start, so that no output or exit is missed.
  const requests = engine.requests.map((line) => /(create|attach|wait|start)/.exec(line)?.[1]);
  expect(requests.filter(Boolean)).toEqual(["create", "attach", "wait", "start"]);
  expect(container?.removed).toBe(true);
});

test("an engine that does not see the workspace runs nothing", async () => {
  const workspace = join(folder, "ws_worker-1");
  const { mtimeMs } = statSync(workspace);
  engine.seen = folder;
  await expect(docker.start(inputOf())).rejects.toThrow("does not see the workspace's folder");
  expect(engine.requests.some((line) => line.endsWith("/start"))).toBe(false);
  expect(engine.containers[0]?.removed).toBe(true);
  expect(statSync(workspace).mtimeMs).toBeCloseTo(mtimeMs, 0);
});

test("leaves a limit of open files to an engine that cannot set it", async () => {
  engine.behaviour = (container) => {
    if (JSON.stringify(container.created).includes("nofile")) return "error setting rlimit type 7";
    return container.end(0);
  };
  for (let run = 0; run < 2; run += 1) {
    expect(await (await docker.start(inputOf())).done).toMatchObject({ reason: "exited" });
  }
  expect(engine.containers).toHaveLength(3);
  expect(engine.containers.every(({ removed }) => removed)).toBe(true);
});

test("separates the two streams wherever the engine splits frames", async () => {
  engine.behaviour = (container) => {
    const bytes = Buffer.concat([
      frame(1, "one "),
      frame(2, "two"),
      frame(1, ""),
      frame(1, "three"),
    ]);
    void (async () => {
      for (const byte of bytes) {
        container.socket?.write(Buffer.from([byte]));
        await new Promise(setImmediate);
      }
      container.end(3);
    })();
  };
  const said: string[] = [];
  const started = await docker.start(inputOf(said));
  expect(await started.done).toMatchObject({ reason: "exited", exitCode: 3 });
  const of = (stream: string): string =>
    said
      .filter((line) => line.startsWith(stream))
      .map((line) => line.slice(8))
      .join("");
  expect(of("stdout")).toBe("one three");
  expect(of("stderr")).toBe("two");
});

test("stop sends TERM first, then KILL; close kills", async () => {
  engine.behaviour = () => undefined;
  const started = await docker.start(inputOf());
  started.stop(50);
  expect(await started.done).toMatchObject({ reason: "stopped", exitCode: 137, signal: "SIGKILL" });
  expect(engine.containers[0]?.signals).toEqual(["SIGTERM", "SIGKILL"]);
  const second = await docker.start({ ...inputOf(), id: "second" });
  await docker.close();
  expect(await second.done).toMatchObject({ reason: "stopped" });
  expect(engine.containers.every(({ removed }) => removed)).toBe(true);
});

test("explains failures: memory, a missing program, a missing image", async () => {
  engine.behaviour = (container) => {
    container.oomKilled = true;
    container.end(137);
  };
  expect(await (await docker.start(inputOf())).done).toMatchObject({ reason: "memory" });
  engine.behaviour = () => `exec: "npm": executable file not found in $PATH`;
  expect(await (await docker.start(inputOf())).done).toMatchObject({
    reason: "start_failed",
    detail: `exec: "npm": executable file not found in $PATH`,
  });
  expect(engine.containers.every(({ removed }) => removed)).toBe(true);
  expect((await open("missing")).report).toMatchObject({
    mode: "unavailable",
    reason: "The Docker engine has no image missing",
    install: "docker pull missing",
  });
});

test("does not claim limits that the engine cannot enforce, and runs nothing without an engine", async () => {
  expect(docker.report).toMatchObject({ mode: "docker", seccomp: true, network: true });
  engine.info = { ...engine.info, CpuCfsQuota: false, SecurityOptions: null };
  expect((await open()).report).toMatchObject({
    seccomp: false,
    limits: { memory: { enforced: true, by: "Docker" }, cpu: { enforced: false, by: null } },
  });
  await expect((await open()).start(inputOf())).rejects.toThrow("cannot enforce the limit of cpu");
  engine.info = { ...engine.info, MemoryLimit: false };
  expect((await open()).report.mode).toBe("unavailable");
  await engine.close();
  const none = await open();
  expect(none.report.reason).toContain("No Docker engine answers at");
  await expect(none.start(inputOf())).rejects.toThrow("No Docker engine answers at");
  await none.cleanUp();
});

test("removes containers of dead servers and no others", async () => {
  const label = (server: string, host = hostname()): Record<string, string> => ({
    "omoi.server": server,
    "omoi.host": host,
  });
  const self = readProcess(process.pid) as ProcessRecord;
  const gone = { pid: 999_999_999, startTime: "1" };
  engine.others = [
    { Id: "dead", Labels: label(resourceName(gone, folder)) },
    { Id: "alive", Labels: label(resourceName(self, folder)) },
    { Id: "of another folder", Labels: label(resourceName(gone, tmpdir())) },
    { Id: "strange", Labels: label("something else") },
  ];
  await docker.cleanUp();
  expect(engine.others.map(({ Id }) => Id)).toEqual(["alive", "of another folder", "strange"]);
  const list = engine.requests.find((line) => line.includes("/containers/json")) ?? "";
  expect(decodeURIComponent(list)).toContain(`omoi.host=${hostname()}`);
});

test("a network is refused where the engine's processes are not those of this machine", async () => {
  const isRoot = process.getuid?.() === 0;
  if (!isRoot) {
    expect(docker.report).toMatchObject({
      fullNetwork: { isolated: false, reason: expect.stringContaining("runs as root") },
      restrictedNetwork: { isolated: false, reason: expect.stringContaining("runs as root") },
    });
  }
  for (const network of ["restricted", "full"] as const) {
    // The simulated engine reports a process that is not in its container.
    const call = docker.start({ ...inputOf(), network, ports: [8080] });
    await expect(call).rejects.toThrow(
      isRoot ? "does not see the processes of the Docker engine" : "runs as root",
    );
  }
  expect(engine.containers.every(({ removed }) => removed)).toBe(true);
});

test("a command with a network waits for a line before it starts, and the engine gives it none", async () => {
  for (const network of ["restricted", "full"] as const) {
    await docker.start({ ...inputOf(), network, ports: [] }).catch(() => undefined);
    if (process.getuid?.() !== 0) return;
    expect(engine.containers.at(-1)?.created).toMatchObject({
      Cmd: ["/bin/sh", "-c", expect.stringContaining("read"), "sh", "npm", "test", "--", "a b"],
      OpenStdin: true,
      StdinOnce: true,
      HostConfig: { NetworkMode: "none" },
    });
  }
});
