/** One command in the pod's other container, as its runner sees it. */
import { Writable } from "node:stream";
import { FrameError, MAX_FRAME_BYTES } from "#shared/node/frames.js";
import {
  FRAME_COST,
  STDERR,
  STDOUT,
  WINDOW_BYTES,
} from "#shared/execution/runner/command-protocol.js";
import type { SandboxedProcess, SandboxExit, SandboxInput } from "../sandbox.js";
import { WORKSPACE } from "../sandbox.js";
import { monitorDisk } from "../limits/disk-monitor.js";
import type { AgentConnection } from "./agent-connection.js";
import { exitOf, type Ended, type OverLimit } from "./pod-exit.js";

/** Milliseconds for the start of a program, and for the end of one after its grace period. */
export interface PodTimeouts {
  startMs: number;
  endMs: number;
}

const HANGS = "The container of the command does not answer.";

export function startInPod(
  agent: AgentConnection,
  input: SandboxInput,
  timeouts: PodTimeouts,
): SandboxedProcess {
  let isStopping = false;
  let isStarted = false;
  let over: OverLimit | null = null;
  let failure: Error | null = null;
  /** Why the connection was broken from this side. */
  let broken: string | null = null;
  let resolveEnded: (ended: Ended | null) => void = () => undefined;
  const ended = new Promise<Ended | null>((resolve) => {
    resolveEnded = resolve;
  });
  let takenInput: (() => void) | null = null;
  let timer: NodeJS.Timeout | null = null;
  /** A command that reports nothing until then is given up with its connection. */
  const expect = (ms: number): void => {
    if (timer !== null) clearTimeout(timer);
    timer = setTimeout(() => {
      broken = HANGS;
      agent.break();
    }, ms);
  };

  const pass = async (stream: number, bytes: Buffer): Promise<void> => {
    if (failure !== null) return;
    try {
      await input.onOutput(stream === STDOUT ? "stdout" : "stderr", bytes);
    } catch (error) {
      failure ??= error instanceof Error ? error : new Error(String(error));
      stop(0);
    }
  };
  const outputs = new Map(
    [STDOUT, STDERR].map((stream) => [
      stream,
      openOutput(
        (bytes) => pass(stream, bytes),
        (bytes) => agent.request({ type: "consumed", id, stream, bytes }),
      ),
    ]),
  );

  const id = agent.add({
    reply: (reply) => {
      switch (reply.type) {
        case "started":
          if (isStarted) throw new FrameError("a command started twice");
          isStarted = true;
          if (timer !== null && !isStopping) clearTimeout(timer);
          return;
        case "taken": {
          const done = takenInput;
          if (done === null) throw new FrameError("no input was sent");
          takenInput = null;
          return done();
        }
        case "ended":
          agent.remove(id);
          return resolveEnded(reply);
      }
    },
    bytes: (stream, bytes) => {
      const output = outputs.get(stream);
      if (output === undefined) throw new FrameError("a stream is unknown");
      output.receive(bytes);
    },
    lost: () => resolveEnded(null),
  });
  const stop = (graceMs: number): void => {
    agent.request({ type: "stop", id, graceMs: Math.max(0, graceMs) });
    const isFirst = !isStopping;
    isStopping = true;
    if (isFirst || graceMs <= 0) expect(Math.max(0, graceMs) + timeouts.endMs);
  };
  const { diskBytes, diskFiles } = input.limits;
  const limits = { bytes: diskBytes, files: diskFiles };
  const isLimited = input.home !== null && (diskBytes !== null || diskFiles !== null);
  const folders = [input.folder, ...(input.home === null ? [] : [input.home])];
  // Its processes are not seen from here: of deleted files, the limit of the pod's disk remains.
  const noProcesses = (): number[] => [];
  const disk = isLimited
    ? monitorDisk(folders, limits, noProcesses, (what) => {
        over ??= what === "bytes" ? "disk" : "files";
        stop(0);
      })
    : null;

  const finish = async (): Promise<SandboxExit> => {
    const last = await ended;
    if (timer !== null) clearTimeout(timer);
    takenInput?.();
    await disk?.stop();
    await Promise.all([...outputs.values()].map((output) => output.done()));
    if (failure !== null) throw failure;
    return exitOf(input.command[0] ?? "", last, { over, isStopping, broken });
  };

  const stdin = input.hasInput === true ? inputOf() : null;
  function inputOf(): Writable {
    const write = (chunk: Buffer, done: () => void): void => {
      if (chunk.length === 0 || agent.isLost) return done();
      takenInput = () => write(chunk.subarray(MAX_FRAME_BYTES), done);
      agent.input(id, chunk.subarray(0, MAX_FRAME_BYTES));
    };
    const stream = new Writable({
      write: (chunk: Buffer, _encoding, callback) => write(chunk, callback),
      final: (callback) => {
        agent.request({ type: "close_input", id });
        callback();
      },
    });
    stream.on("error", () => undefined);
    return stream;
  }

  agent.request({
    type: "start",
    id,
    command: input.command,
    env: input.env,
    hasInput: stdin !== null,
    // A command has a home; scripts beside it have none.
    endsAll: input.home !== null,
  });
  expect(timeouts.startMs);
  if (agent.isLost) resolveEnded(null);
  const done = finish();
  done.catch(() => undefined);
  // Its processes have other ids here.
  return { pid: 0, workspace: WORKSPACE, input: stdin, stop, readings: () => null, ended, done };
}

/**
 * Opens a stream of output, of which only a window is on the way.
 * @param consume resolves once there is room for more
 * @param report tells the agent how much was consumed
 */
function openOutput(
  consume: (bytes: Buffer) => Promise<void>,
  report: (bytes: number) => void,
): { receive(bytes: Buffer): void; done(): Promise<void> } {
  let onTheWay = 0;
  let unreported = 0;
  let writing = Promise.resolve();
  const take = async (bytes: Buffer): Promise<void> => {
    await consume(bytes);
    const cost = bytes.length + FRAME_COST;
    onTheWay -= cost;
    unreported += cost;
    if (unreported < WINDOW_BYTES / 2) return;
    report(unreported);
    unreported = 0;
  };
  return {
    receive: (bytes) => {
      onTheWay += bytes.length + FRAME_COST;
      // `onTheWay` is what was received and not consumed; the agent may not know the last part of that yet.
      if (onTheWay > WINDOW_BYTES) throw new FrameError("there is more output than the window");
      writing = writing.then(() => take(bytes));
    },
    done: () => writing,
  };
}
