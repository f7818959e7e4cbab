/**
 * The program in the container of a run's command, in a pod of a Kubernetes run. It listens on a Unix socket that it
 * shares with the runner's container, takes one connection, ever, and starts the commands that the runner sends. The
 * build makes one file of it, which needs nothing but Node. The protocol is `shared/execution/runner/command-protocol.ts`.
 *
 * Commands have its user and may end or replace it, which misleads their own run alone: the token, git and the log are
 * the runner's, which believes nothing that it says.
 */
import { chmodSync, rmSync, statSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { dirname } from "node:path";
import { frameReader, messageFrame } from "#shared/node/frames.js";
import {
  COMMAND_PROTOCOL,
  MAX_REQUEST_BYTES,
  STDIN,
  type CommandRequest,
} from "#shared/execution/runner/command-protocol.js";
import type { CommandReply } from "#shared/execution/runner/command-replies.js";
import { startCommand, type AgentCommand } from "./command.js";
import { isInContainer, signalAll } from "./container-processes.js";

/** The runner's container starts at the same time; its image is on the node already. */
const CONNECTION_MS = 10 * 60_000;

const [, , socketPath = ""] = process.argv;
const folder = "/workspace";
const home = "/home/agent";

function fail(message: string): never {
  process.stderr.write(`command-agent: ${message}\n`);
  if (isInContainer()) signalAll("SIGKILL");
  process.exit(1);
}

function serve(socket: Socket): void {
  const commands = new Map<number, AgentCommand>();
  const reply = (message: CommandReply): void => void socket.write(messageFrame(message));
  const place = {
    folder,
    home,
    pipes: dirname(socketPath),
    reply,
    send: (frame: Buffer) => void socket.write(frame),
  };
  const handle = (request: CommandRequest): void => {
    switch (request.type) {
      case "start":
        commands.set(
          request.id,
          startCommand(request, place, () => commands.delete(request.id)),
        );
        return;
      case "stop":
        return commands.get(request.id)?.stop(request.graceMs);
      case "consumed":
        return commands.get(request.id)?.consumed(request.stream, request.bytes);
      case "close_input":
        return commands.get(request.id)?.closeInput();
      case "exit":
        signalAll("SIGKILL");
        process.exit(0);
    }
  };
  const read = frameReader(MAX_REQUEST_BYTES);
  socket.on("data", (chunk: Buffer) => {
    for (const frame of read(chunk)) {
      if (frame.kind === "message") handle(frame.message as CommandRequest);
      else if (frame.stream === STDIN) commands.get(frame.id)?.input(frame.bytes);
    }
  });
  socket.on("error", () => undefined);
  // The command of a run without a runner must not go on.
  socket.on("close", () => fail("the runner of the run has ended"));
  reply({ type: "hello", protocol: COMMAND_PROTOCOL });
}

if (!isInContainer()) {
  fail("it ends every process that it sees, so it runs only as the first one of a container");
}
if (!statSync(dirname(socketPath), { throwIfNoEntry: false })?.isDirectory()) {
  fail(`the folder of the socket ${socketPath} is missing`);
}
process.on("uncaughtException", (error) => fail(error.stack ?? String(error)));
// Pods are ended gracefully by the runner, which has the same signal.
process.on("SIGTERM", () => undefined);
process.umask(0o022);
rmSync(socketPath, { force: true });
const server = createServer();
let isTaken = false;
const late = setTimeout(() => fail("no runner has connected"), CONNECTION_MS);
server.on("connection", (socket) => {
  server.close();
  if (isTaken) return void socket.destroy();
  isTaken = true;
  clearTimeout(late);
  serve(socket);
});

const umask = process.umask(0o177);
server.listen(socketPath, () => {
  process.umask(umask);
  chmodSync(socketPath, 0o600);
});
