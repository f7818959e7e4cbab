import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { bytesFrame, frameReader, messageFrame, type Frame } from "#shared/node/frames.js";
import { FRAME_COST, STDOUT, WINDOW_BYTES } from "#shared/execution/runner/command-protocol.js";
import type { SandboxInput } from "../sandbox.js";
import { AgentUnreachableError, connectToAgent, type AgentConnection } from "./agent-connection.js";
import { CONTAINER_ENDED } from "./pod-exit.js";
import { openPodSandbox } from "./pod-sandbox.js";

/** A runner whose agent was replaced by a command: it says anything, or nothing. */
describe("the sandbox of a pod", () => {
  let folder: string;
  let server: Server;
  let path: string;
  let connection: AgentConnection | null;
  let behave: (socket: Socket) => void;
  const received: Frame[] = [];

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "omoi-agent-"));
    path = join(folder, "command.sock");
    connection = null;
    received.length = 0;
    server = createServer((socket) => {
      socket.on("error", () => undefined);
      behave(socket);
    });
    server.listen(path);
    await once(server, "listening");
  });
  afterEach(async () => {
    connection?.break();
    server.close();
    await rm(folder, { recursive: true, force: true });
  });

  const hello = messageFrame({ type: "hello", protocol: 1 });
  const started = messageFrame({ type: "started", id: 1 });
  const end = {
    type: "ended",
    id: 1,
    exit_code: 0,
    problem: null,
    cpu_seconds: null,
    peak_memory_bytes: null,
    oom_kills: 0,
  };
  const timeouts = { startMs: 500, endMs: 500 };
  const signal = new AbortController().signal;
  /** Answers each request after the greeting. */
  const answering =
    (answer: (socket: Socket, request: { type: string }) => void) =>
    (socket: Socket): void => {
      socket.write(hello);
      const read = frameReader(1024 * 1024);
      socket.on("data", (chunk: Buffer) => {
        for (const frame of read(chunk)) {
          received.push(frame);
          if (frame.kind === "message") answer(socket, frame.message as { type: string });
        }
      });
    };
  const input = (more: Partial<SandboxInput> = {}): SandboxInput => ({
    id: "run",
    folder: "/workspace",
    home: "/home/agent",
    uid: null,
    command: ["true"],
    env: {},
    network: "full",
    limits: { memoryBytes: 1, processes: 1, cpus: null, diskBytes: null, diskFiles: null },
    onOutput: () => undefined,
    ...more,
  });
  const start = async (more: Partial<SandboxInput> = {}) => {
    connection = await connectToAgent(path, 5000, signal);
    return openPodSandbox(connection, true, timeouts).start(input(more));
  };
  const onStart =
    (...frames: Buffer[]) =>
    (socket: Socket, { type }: { type: string }): void => {
      if (type === "start") socket.write(Buffer.concat(frames));
    };

  test.each<[string, Buffer[]]>([
    ["no JSON", [Buffer.from([0, 0, 0, 2, 0, 0x7b])]],
    ["an endless frame", [Buffer.from([0xff, 0xff, 0xff, 0xff, 0])]],
    ["an empty frame", [Buffer.from([0, 0, 0, 0])]],
    ["an unknown kind", [Buffer.from([0, 0, 0, 2, 9, 9])]],
    ["another greeting", [hello]],
    ["an unknown message", [messageFrame({ type: "run", id: 1 })]],
    ["a further field", [messageFrame({ type: "started", id: 1, more: true })]],
    ["a long message", [messageFrame({ type: "started", id: 1, more: "x".repeat(10_000) })]],
    ["another command", [messageFrame({ type: "started", id: 2 })]],
    ["two starts", [started, started]],
    ["the receipt of no input", [started, messageFrame({ type: "taken", id: 1 })]],
    ["an exit code out of range", [messageFrame({ ...end, exit_code: 1000 })]],
    ["a problem with text", [messageFrame({ ...end, problem: "<b>" })]],
    ["output of an unknown stream", [bytesFrame(1, 7, Buffer.from("x"))]],
    ["output of another command", [bytesFrame(3, STDOUT, Buffer.from("x"))]],
    [
      "output beyond the window",
      Array.from({ length: 10 }, () => bytesFrame(1, STDOUT, Buffer.alloc(40_000))),
    ],
    ["output after the end", [messageFrame(end), bytesFrame(1, STDOUT, Buffer.from("x"))]],
  ])("gives up an agent that sends %s", async (_what, frames) => {
    behave = answering(onStart(...frames));
    // Output that is not consumed.
    let consume: () => void = () => undefined;
    const consumed = new Promise<void>((resolve) => {
      consume = resolve;
    });
    const process = await start({ onOutput: () => consumed });
    await expect.poll(() => connection?.isLost).toBe(true);
    consume();
    const exit = await process.done;
    if (_what !== "output after the end") {
      expect(exit).toMatchObject({ reason: "container", detail: CONTAINER_ENDED, exitCode: null });
    }
  });

  test("holds no more than the window, of small frames, too", async () => {
    let sent = 0;
    behave = answering((socket, { type }) => {
      if (type !== "start") return;
      socket.write(started);
      for (; sent < WINDOW_BYTES / (FRAME_COST + 1) + 1; sent += 1) {
        socket.write(bytesFrame(1, STDOUT, Buffer.from("x")));
      }
    });
    let taken = 0;
    const process = await start({
      onOutput: async () => {
        taken += 1;
        await pause(60_000, undefined, { ref: false });
      },
    });
    void process.done;
    await expect.poll(() => connection?.isLost).toBe(true);
    expect(taken).toBe(1);
  });

  test("gives up an agent that never answers", async () => {
    behave = answering(() => undefined);
    const silent = await start();
    expect(await silent.done).toMatchObject({
      reason: "container",
      detail: "The container of the command does not answer.",
    });
  });

  test("gives up an agent that does not stop its command", async () => {
    behave = answering(onStart(started));
    const process = await start();
    await expect.poll(() => received.length).toBe(1);
    process.stop(100);
    expect(await process.done).toMatchObject({ reason: "stopped" });
    expect(connection?.isLost).toBe(true);
    const next = await openPodSandbox(connection as AgentConnection, true).start(input());
    expect(await next.done).toMatchObject({ reason: "container", detail: CONTAINER_ENDED });
  });

  test("gives up an agent that reads nothing", async () => {
    behave = (socket) => {
      socket.write(hello);
      socket.pause();
    };
    const process = await start({ env: { LONG: "x".repeat(40 * 1024 * 1024) } });
    expect(await process.done).toMatchObject({ reason: "container" });
  });

  test("fails a run whose output cannot be stored, and ends its command", async () => {
    behave = answering((socket, { type }) => {
      if (type === "start")
        socket.write(Buffer.concat([started, bytesFrame(1, STDOUT, Buffer.from("x"))]));
      if (type === "stop") socket.write(messageFrame({ ...end, exit_code: 137 }));
    });
    const process = await start({ onOutput: () => Promise.reject(new Error("the disk is full")) });
    await expect(process.done).rejects.toThrow("the disk is full");
  });

  test("sends input only as the command takes it", async () => {
    let bytes = 0;
    behave = answering((socket, { type }) => {
      if (type === "start") socket.write(started);
      if (type === "close_input") socket.write(messageFrame(end));
    });
    const process = await start({ hasInput: true });
    process.input?.write(Buffer.alloc(200_000));
    process.input?.end();
    await expect.poll(() => received.some(({ kind }) => kind === "bytes")).toBe(true);
    await pause(100);
    bytes = received.reduce(
      (sum, item) => sum + (item.kind === "bytes" ? item.bytes.length : 0),
      0,
    );
    expect(bytes).toBe(64 * 1024);
  });

  test("gives up a socket without a greeting", async () => {
    behave = (socket) => void socket.end();
    await expect(connectToAgent(path, 1000, signal)).rejects.toThrow(AgentUnreachableError);
    await expect(connectToAgent(join(folder, "none"), 300, signal)).rejects.toThrow(
      "has not started",
    );
  });
});
