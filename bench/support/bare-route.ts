import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import fastify from "fastify";

/** A process with only Fastify and two routes: the baseline for our server. */

export interface BareServer {
  /** The route that sends prepared bytes. */
  bytesUrl: string;
  /** The route that serializes the same value for each request. */
  jsonUrl: string;
  stop(): void;
}

const file = fileURLToPath(import.meta.url);

/** Serves a JSON text in a separate process. */
export function startBareServer(text: string): Promise<BareServer> {
  return new Promise((resolve, reject) => {
    const child = fork(file, { stdio: ["ignore", "ignore", "inherit", "ipc"] });
    child.once("message", (port) => {
      const origin = `http://127.0.0.1:${port as number}`;
      resolve({
        bytesUrl: `${origin}/bytes`,
        jsonUrl: `${origin}/json`,
        stop: () => child.kill("SIGTERM"),
      });
    });
    child.once("error", reject);
    child.once("exit", (code) => reject(new Error(`the bare server ended with ${code}`)));
    child.send(text);
  });
}

async function serve(text: string): Promise<void> {
  const app = fastify();
  const value = JSON.parse(text) as unknown;
  app.get("/bytes", (_request, reply) => {
    void reply.type("application/json; charset=utf-8").send(text);
  });
  app.get("/json", () => Promise.resolve(value));
  await app.listen({ host: "127.0.0.1", port: 0 });
  const address = app.server.address();
  process.send?.(typeof address === "object" ? address?.port : null);
}

if (process.argv[1] === file) process.once("message", (text) => void serve(text as string));
