/**
 * Ports of the server on the loopback of a container. The listening sockets
 * are made inside the container's network namespace and handed to the server, which relays their
 * connections: nothing else of the machine is reachable, and nothing has to be in the image.
 */
import { connect, type Server, type Socket } from "node:net";
import { text } from "node:stream/consumers";
import { pipeline } from "node:stream/promises";
import { lastLine } from "../streams/last-line.js";
import { launch } from "../launch.js";
import { programPath } from "../programs.js";
import { SandboxRefusal } from "../sandbox.js";

/** Listens on the ports in its first argument, and sends the sockets to its parent. */
const LISTEN = `
const { createServer } = require("node:net");
for (const port of JSON.parse(process.argv[1])) {
  const server = createServer();
  server.listen({ port, host: "127.0.0.1", backlog: 128 }, () => {
    process.send(port, server, { keepOpen: false }, (error) => {
      if (error) throw error;
      server.close();
    });
  });
}`;

/** Maximum connections to one port at a time: each takes two descriptors of the server. */
const MAX_CONNECTIONS = 256;
/** Timeout for the busiest machine. */
const OPEN_MS = 15_000;

/** The open ports of one container. */
export interface ContainerPorts {
  /** Closes them with their connections. */
  close(): void;
}

/**
 * Opens ports on the loopback of a container, each relayed to the same port of the machine's loopback.
 * @param pid the container's first process
 * @throws SandboxRefusal
 */
export async function openPorts(pid: number, ports: readonly number[]): Promise<ContainerPorts> {
  const argv = [
    programPath("nsenter") ?? "nsenter",
    `--net=/proc/${pid}/ns/net`,
    "--",
    process.execPath,
    "-e",
    LISTEN,
    JSON.stringify(ports),
  ];
  const env = { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", LC_ALL: "C" };
  const child = launch(argv, { env, stdio: ["ignore", "ignore", "pipe", "ipc"] });
  const servers: Server[] = [];
  const open = new Set<Socket>();
  const close = (): void => {
    for (const server of servers) server.close();
    for (const socket of open) socket.destroy();
  };
  const track = (socket: Socket): void => {
    open.add(socket);
    socket.once("close", () => open.delete(socket));
  };
  child.on("message", (port: number, handle) => {
    const server = handle as Server;
    // Without descriptors or memory, connections are refused.
    server.on("error", () => undefined);
    // The socket is a copy: its options are set here.
    Object.assign(server, { allowHalfOpen: true, maxConnections: MAX_CONNECTIONS });
    server.on("connection", (inside: Socket) => {
      const outside = connect({ port, host: "127.0.0.1", allowHalfOpen: true, noDelay: true });
      inside.setNoDelay(true);
      track(inside);
      track(outside);
      // Either side may break its connection at any time.
      const directions = [pipeline(inside, outside), pipeline(outside, inside)];
      for (const direction of directions) direction.catch(() => undefined);
    });
    servers.push(server);
  });
  const said = text(child.stderr as NodeJS.ReadableStream).catch(() => "");
  const timer = setTimeout(() => child.kill("SIGKILL"), OPEN_MS);
  await new Promise<void>((resolve) => {
    child.on("error", () => resolve());
    child.on("close", () => resolve());
  });
  clearTimeout(timer);
  if (servers.length === ports.length) return { close };
  close();
  throw new SandboxRefusal(
    `The ports of the container could not be opened: ${lastLine(await said)}`,
  );
}
