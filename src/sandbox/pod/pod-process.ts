/** One command in the pod's other container, as its runner sees it. */
import { constants } from "node:os";
import { Writable } from "node:stream";
import { FrameError, MAX_FRAME_BYTES } from "#shared/node/frames.js";
import { FRAME_COST, STDERR, STDOUT, WINDOW_BYTES } from "#shared/runner/command-protocol.js";
import type { CommandReply } from "#shared/runner/command-replies.js";
import type { SandboxedProcess, SandboxExit, SandboxInput } from "../sandbox.js";
import { WORKSPACE } from "../sandbox.js";
import { monitorDisk } from "../limits/disk-monitor.js";
import type { AgentConnection } from "./agent-connection.js";

/** Milliseconds for the start of a program, and for the end of one after its grace period. */
export interface PodTimeouts {
  startMs: number;
  endMs: number;
}

/** The same limits as in a sandbox of this machine, for what the kernel of the node does not limit. */
type OverLimit = "disk" | "files";
type Ended = Extract<CommandReply, { type: "ended" }>;

export const CONTAINER_ENDED =
  "The container of the command was ended, which happens when it exceeds its memory.";
const HANGS = "The container of the command does not answer.";
const OUT_OF_MEMORY =
  "A process was ended because the container of the command exceeded its memory.";

/** Exit codes of a shell. */
const CANNOT_EXECUTE = 126;
const NOT_FOUND = 127;

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

  const outputs = new Map([STDOUT, STDERR].map((stream) => [stream, openOutput(stream)]));
  function openOutput(stream: number): { receive(bytes: Buffer): void; done(): Promise<void> } {
    let onTheWay = 0;
    let unreported = 0;
    let writing = Promise.resolve();
    const consume = async (bytes: Buffer): Promise<void> => {
      if (failure === null) {
        try {
          await input.onOutput(stream === STDOUT ? "stdout" : "stderr", bytes);
        } catch (error) {
          failure ??= error instanceof Error ? error : new Error(String(error));
          stop(0);
        }
      }
      const cost = bytes.length + FRAME_COST;
      onTheWay -= cost;
      unreported += cost;
      if (unreported < WINDOW_BYTES / 2) return;
      agent.request({ type: "consumed", id, stream, bytes: unreported });
      unreported = 0;
    };
    return {
      receive: (bytes) => {
        onTheWay += bytes.length + FRAME_COST;
        // `onTheWay` is what was received and not consumed; the agent may not know the last part of that yet.
        if (onTheWay > WINDOW_BYTES) throw new FrameError("there is more output than the window");
        writing = writing.then(() => consume(bytes));
      },
      done: () => writing,
    };
  }

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
    return exitOf(last);
  };
  const exitOf = (last: Ended | null): SandboxExit => {
    const exit = {
      exitCode: last?.exit_code ?? null,
      signal: signalName(last?.exit_code ?? 0),
      cpuSeconds: last?.cpu_seconds ?? null,
      peakMemoryBytes: last?.peak_memory_bytes ?? null,
      throttled: null,
    };
    if (over !== null) return { ...exit, reason: over, detail: null };
    if (isStopping) return { ...exit, reason: "stopped", detail: null };
    if (last === null) {
      return { ...exit, reason: "container", detail: broken ?? CONTAINER_ENDED };
    }
    if (last.problem !== null || last.exit_code === null) {
      return { ...exit, ...startFailure(input.command[0] ?? "", last.problem ?? "EIO") };
    }
    if (last.exit_code !== 0 && last.oom_kills > 0) {
      return { ...exit, reason: "container", detail: OUT_OF_MEMORY };
    }
    return { ...exit, reason: "exited", detail: null };
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
  return { pid: 0, workspace: WORKSPACE, input: stdin, stop, readings: () => null, done };
}

function startFailure(
  program: string,
  problem: string,
): Pick<SandboxExit, "exitCode" | "reason" | "detail"> {
  const isMissing = problem === "ENOENT" || problem === "ENOTDIR";
  const said = isMissing ? "No such file or directory" : problem;
  return {
    exitCode: isMissing ? NOT_FOUND : CANNOT_EXECUTE,
    reason: "start_failed",
    detail: `${program}: ${said}`,
  };
}

/** Returns the signal in a shell's exit code. */
function signalName(exitCode: number): string | null {
  if (exitCode <= 128 || exitCode > 128 + 31) return null;
  const found = Object.entries(constants.signals).find(([, number]) => number === exitCode - 128);
  return found?.[0] ?? null;
}
