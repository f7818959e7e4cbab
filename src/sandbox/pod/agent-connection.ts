/** The connection to the agent that starts commands in the pod's other container. Nothing that it sends is trusted. */
import { connect, type Socket } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import { bytesFrame, FrameError, frameReader, messageFrame } from "#shared/node/frames.js";
import {
  MAX_REPLY_BYTES,
  STDIN,
  type CommandRequest,
} from "#shared/execution/runner/command-protocol.js";
import { commandReply, type CommandReply } from "#shared/execution/runner/command-replies.js";

/** Receives what the agent says of one command. Each may throw a FrameError, which ends the connection. */
export interface CommandListener {
  reply(reply: Exclude<CommandReply, { type: "hello" }>): void;
  bytes(stream: number, bytes: Buffer): void;
  /** The connection has ended. */
  lost(): void;
}

export interface AgentConnection {
  readonly isLost: boolean;
  /** Returns the id of a new command. */
  add(listener: CommandListener): number;
  remove(id: number): void;
  request(request: CommandRequest): void;
  input(id: number, bytes: Buffer): void;
  /** Ends it, because the agent does not keep to the protocol or hangs. */
  break(): void;
  /** Makes the agent exit. */
  close(): Promise<void>;
}

/** An agent that cannot be reached. */
export class AgentUnreachableError extends Error {
  override readonly name = "AgentUnreachableError";
}

const HELLO_MS = 60_000;
const RETRY_MS = 250;
const CLOSE_MS = 10_000;
/** Bytes that an agent leaves unread at most. The largest request is a start. */
const MAX_UNREAD_BYTES = 32 * 1024 * 1024;

/**
 * Connects to the agent, whose container may start later than this one.
 * @param timeoutMs milliseconds until it must listen
 * @throws AgentUnreachableError
 */
export async function connectToAgent(
  path: string,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<AgentConnection> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const socket = await connectOnce(path);
    if (socket !== null) return openConnection(socket);
    if (performance.now() > deadline) {
      throw new AgentUnreachableError("the container of the command has not started");
    }
    await pause(RETRY_MS, undefined, { signal });
  }
}

function connectOnce(path: string): Promise<Socket | null> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once("connect", () => resolve(socket));
    socket.once("error", () => resolve(null));
  });
}

/** @throws AgentUnreachableError without a greeting */
async function openConnection(socket: Socket): Promise<AgentConnection> {
  const listeners = new Map<number, CommandListener>();
  let lastId = 0;
  let isLost = false;
  let greet: (isGreeted: boolean) => void = () => undefined;
  const greeted = new Promise<boolean>((resolve) => {
    greet = resolve;
  });
  let isGreeted = false;

  const closed = new Promise<void>((resolve) => {
    socket.once("close", () => {
      isLost = true;
      greet(false);
      for (const listener of listeners.values()) listener.lost();
      listeners.clear();
      resolve();
    });
  });
  const listenerOf = (id: number): CommandListener => {
    const listener = listeners.get(id);
    if (listener === undefined) throw new FrameError("a frame is of no command");
    return listener;
  };
  const receive = (message: unknown): void => {
    const { data: reply } = commandReply.safeParse(message);
    if (reply === undefined || (reply.type === "hello") === isGreeted) {
      throw new FrameError("a message is not of the protocol");
    }
    if (reply.type !== "hello") return listenerOf(reply.id).reply(reply);
    isGreeted = true;
    greet(true);
  };
  const read = frameReader(MAX_REPLY_BYTES);
  socket.on("error", () => undefined);
  socket.on("data", (chunk: Buffer) => {
    try {
      for (const frame of read(chunk)) {
        if (isLost) return;
        if (frame.kind === "message") receive(frame.message);
        else listenerOf(frame.id).bytes(frame.stream, frame.bytes);
      }
    } catch (error) {
      if (!(error instanceof FrameError)) throw error;
      socket.destroy();
    }
  });
  const send = (frame: Buffer): void => {
    if (isLost || socket.destroyed) return;
    socket.write(frame);
    if (socket.writableLength > MAX_UNREAD_BYTES) socket.destroy();
  };

  const late = setTimeout(() => socket.destroy(), HELLO_MS);
  const isAgent = await greeted;
  clearTimeout(late);
  if (!isAgent) throw new AgentUnreachableError("the container of the command does not answer");
  return {
    get isLost() {
      return isLost || socket.destroyed;
    },
    add: (listener) => {
      lastId += 1;
      listeners.set(lastId, listener);
      return lastId;
    },
    remove: (id) => void listeners.delete(id),
    request: (request) => send(messageFrame(request)),
    input: (id, bytes) => send(bytesFrame(id, STDIN, bytes)),
    break: () => void socket.destroy(),
    close: async () => {
      send(messageFrame({ type: "exit" } satisfies CommandRequest));
      socket.end();
      const timer = setTimeout(() => socket.destroy(), CLOSE_MS);
      await closed;
      clearTimeout(timer);
    },
  };
}
