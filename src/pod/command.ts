/** One command of the agent, from its start to the end of its last process. */
import { spawn, type ChildProcess } from "node:child_process";
import { constants } from "node:os";
import type { Readable } from "node:stream";
import { setTimeout as pause } from "node:timers/promises";
import { bytesFrame, MAX_FRAME_BYTES } from "#shared/node/frames.js";
import {
  FRAME_COST,
  STDERR,
  STDOUT,
  WINDOW_BYTES,
  type CommandRequest,
} from "#shared/execution/runner/command-protocol.js";
import type { CommandReply } from "#shared/execution/runner/command-replies.js";
import { hasOthers, signalAll, signalTree } from "./container-processes.js";
import { readUsage } from "./container-usage.js";
import { openOutputPipes } from "./output-pipes.js";

export interface AgentCommand {
  stop(graceMs: number): void;
  /** Widens the window of a stream. */
  consumed(stream: number, bytes: number): void;
  input(bytes: Buffer): void;
  closeInput(): void;
}

export interface CommandPlace {
  /** The working directory of commands. */
  folder: string;
  home: string;
  /** For pipes until they are open. */
  pipes: string;
  reply(reply: CommandReply): void;
  send(frame: Buffer): void;
}

type StartRequest = Extract<CommandRequest, { type: "start" }>;

/** Time for the output that a command which does not end all has left to a process that outlives it. */
const LEFT_OUTPUT_MS = 60_000;
const DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** Starts a command. @param ended called after `ended` was sent */
export function startCommand(
  { id, command, env, hasInput, endsAll }: StartRequest,
  place: CommandPlace,
  ended: () => void,
): AgentCommand {
  const before = readUsage();
  const windows = new Map([STDOUT, STDERR].map((stream) => [stream, openWindow()]));
  let isEnding = false;
  let killTimer: NodeJS.Timeout | null = null;

  const finish = (exitCode: number | null, problem: string | null): void => {
    if (killTimer !== null) clearTimeout(killTimer);
    const now = readUsage();
    const since = (was: number | null, is: number | null): number | null =>
      was === null || is === null ? null : Math.max(0, is - was);
    place.reply({
      type: "ended",
      id,
      exit_code: exitCode,
      problem,
      cpu_seconds: since(before.cpuSeconds, now.cpuSeconds),
      peak_memory_bytes: now.peakMemoryBytes,
      oom_kills: since(before.oomKills, now.oomKills) ?? 0,
    });
    ended();
  };
  const pump = async (source: Readable, stream: number): Promise<void> => {
    const window = windows.get(stream) as Window;
    try {
      for await (const chunk of source as AsyncIterable<Buffer>) {
        for (let at = 0; at < chunk.length; at += MAX_FRAME_BYTES) {
          const part = chunk.subarray(at, at + MAX_FRAME_BYTES);
          await window.take(part.length + FRAME_COST);
          place.send(bytesFrame(id, stream, part));
        }
      }
    } catch {
      // Destroyed, or unreadable: there is no more of it.
    }
  };

  let child: ChildProcess;
  let outputs: readonly [Readable, Readable];
  try {
    const pipes = openOutputPipes(place.pipes);
    const [program = "", ...args] = command;
    child = spawn(program, args, {
      cwd: place.folder,
      // The variables of the image are those of the agent.
      env: {
        PATH: DEFAULT_PATH,
        LANG: "C.UTF-8",
        ...imageVariables(),
        HOME: place.home,
        USER: "agent",
        LOGNAME: "agent",
        ...env,
      },
      stdio: [
        hasInput ? "pipe" : "ignore",
        pipes?.[0].writer ?? "pipe",
        pipes?.[1].writer ?? "pipe",
      ],
      // A group of its own.
      detached: true,
    });
    for (const pipe of pipes ?? []) pipe.close();
    outputs = pipes
      ? [pipes[0].reader, pipes[1].reader]
      : [child.stdout as Readable, child.stderr as Readable];
  } catch (error) {
    finish(null, codeOf(error));
    return { stop: () => {}, consumed: () => {}, input: () => {}, closeInput: () => {} };
  }

  const { pid } = child;
  const signal = (name: NodeJS.Signals): void => {
    if (endsAll) signalAll(name);
    else if (pid !== undefined) signalTree(pid, name);
  };
  const pumps = Promise.all([pump(outputs[0], STDOUT), pump(outputs[1], STDERR)]);
  const endProcesses = async (): Promise<void> => {
    signal("SIGKILL");
    // Those of the kernel's way out, such as one that waits for a disk.
    const isLeft = (): boolean => endsAll && hasOthers();
    for (let waitMs = 1; isLeft(); waitMs = Math.min(waitMs * 2, 100)) {
      await pause(waitMs);
      signal("SIGKILL");
    }
    const late = setTimeout(() => {
      for (const output of outputs) output.destroy();
    }, LEFT_OUTPUT_MS);
    await pumps;
    clearTimeout(late);
  };
  const end = (exitCode: number | null, problem: string | null): void => {
    if (isEnding) return;
    isEnding = true;
    void endProcesses().then(() => finish(exitCode, problem));
  };
  child.on("spawn", () => place.reply({ type: "started", id }));
  child.on("error", (error) => {
    if (pid === undefined) end(null, codeOf(error));
  });
  child.on("exit", (code, name) => end(code ?? 128 + constants.signals[name ?? "SIGKILL"], null));
  child.stdin?.on("error", () => undefined);

  return {
    stop(graceMs) {
      if (isEnding || pid === undefined) return;
      if (graceMs <= 0) return signal("SIGKILL");
      if (killTimer !== null) return;
      signal("SIGTERM");
      killTimer = setTimeout(() => signal("SIGKILL"), graceMs);
    },
    consumed: (stream, bytes) => windows.get(stream)?.widen(bytes),
    input: (bytes) => {
      const done = (): void => {
        if (!isEnding) place.reply({ type: "taken", id });
      };
      // An input that is closed takes everything.
      if (child.stdin?.writable !== true) done();
      else child.stdin.write(bytes, done);
    },
    closeInput: () => child.stdin?.end(),
  };
}

/**
 * The variables of the image; the agent was started without its options of Node. Those of Omoi's own image are for the
 * server: with its NODE_ENV, npm would not install what a project is developed with.
 */
function imageVariables(): NodeJS.ProcessEnv {
  const { OMOI_IMAGE_NODE_OPTIONS: options, ...variables } = process.env;
  if (variables["OMOI_DATA_DIR"] !== undefined) {
    for (const name of Object.keys(variables)) {
      if (name === "NODE_ENV" || name.startsWith("OMOI_")) delete variables[name];
    }
  }
  return options === undefined ? variables : { ...variables, NODE_OPTIONS: options };
}

interface Window {
  /** Resolves once there is room. One call at a time. */
  take(bytes: number): Promise<void>;
  widen(bytes: number): void;
}

function openWindow(): Window {
  let room = WINDOW_BYTES;
  let resume: (() => void) | null = null;
  const take = async (bytes: number): Promise<void> => {
    if (room < bytes) {
      await new Promise<void>((resolve) => {
        resume = resolve;
      });
      return take(bytes);
    }
    room -= bytes;
    return undefined;
  };
  return {
    take,
    widen: (bytes) => {
      room += bytes;
      resume?.();
      resume = null;
    },
  };
}

function codeOf(error: unknown): string {
  const { code } = error as NodeJS.ErrnoException;
  return typeof code === "string" && /^[A-Z0-9]{1,20}$/.test(code) ? code : "EIO";
}
