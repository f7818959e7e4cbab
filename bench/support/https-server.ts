import { fork } from "node:child_process";
import { readFile } from "node:fs/promises";
import { createServer as createHttpsServer } from "node:https";
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { upstreamCaFile } from "#test/support/git/upstream-servers.js";

/** A process with an HTTPS server, at several distances. Its certificate is the tests' own. */

export interface HttpsServer {
  /** One for each distance, on 127.0.0.1. */
  ports: number[];
  stop(): void;
}

/** A name of the certificate. */
export const httpsHost = "upstream.test";

/** The certificate authority. */
export const httpsAuthorityFile = upstreamCaFile;

const file = fileURLToPath(import.meta.url);

/**
 * Serves a short answer by HTTPS in a separate process.
 * @param delays milliseconds that bytes take in each direction; 0 for the server itself
 */
export function startHttpsServer(delays: readonly number[]): Promise<HttpsServer> {
  return new Promise((resolve, reject) => {
    const child = fork(file, { stdio: ["ignore", "ignore", "inherit", "ipc"] });
    child.once("message", (ports) => {
      resolve({ ports: ports as number[], stop: () => child.kill("SIGTERM") });
    });
    child.once("error", reject);
    child.once("exit", (code) => reject(new Error(`the HTTPS server ended with ${code}`)));
    child.send(delays);
  });
}

async function serve(delays: readonly number[]): Promise<void> {
  const [key, cert] = await Promise.all([
    readFile(join(dirname(upstreamCaFile), "key.pem")),
    readFile(upstreamCaFile),
  ]);
  const body = "x".repeat(1024);
  const server = createHttpsServer({ key, cert }, (_request, response) => void response.end(body));
  const port = await listen(server);
  const ports = delays.map((delay) =>
    delay === 0 ? Promise.resolve(port) : listen(distance(port, delay)),
  );
  process.send?.(await Promise.all(ports));
}

/** Forwards connections to a port; bytes arrive later, the connections themselves do not. */
function distance(port: number, delay: number): Server {
  return createServer({ noDelay: true }, (inner) => {
    const outer = connect({ host: "127.0.0.1", port, noDelay: true });
    passLater(inner, outer, delay);
    passLater(outer, inner, delay);
  });
}

function passLater(from: Socket, to: Socket, delay: number): void {
  from.on("data", (bytes) => setTimeout(() => to.write(bytes), delay));
  from.once("end", () => setTimeout(() => to.end(), delay));
  from.on("error", () => to.destroy());
}

function listen(server: Server): Promise<number> {
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => resolve((server.address() as AddressInfo).port));
  });
}

if (process.argv[1] === file) process.once("message", (delays) => void serve(delays as number[]));
