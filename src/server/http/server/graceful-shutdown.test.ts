import { once } from "node:events";
import { Agent, get, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { PassThrough } from "node:stream";
import { text } from "node:stream/consumers";
import { fastify } from "fastify";
import { expect, test } from "vitest";
import { dropUnusedConnections } from "./graceful-shutdown.js";

test("a response that has begun is finished by a stop, which then waits for its connection no longer", async () => {
  // Without a limit, a connection that is kept alive stays open until one side closes it.
  const app = fastify({ forceCloseConnections: "idle", keepAliveTimeout: 0 });
  dropUnusedConnections(app);
  const body = new PassThrough();
  app.get("/", async (_request, reply) => reply.send(body));
  await app.listen({ host: "127.0.0.1", port: 0 });
  const agent = new Agent({ keepAlive: true });
  try {
    const { port } = app.server.address() as AddressInfo;
    body.write("begun, ");
    const request = get({ host: "127.0.0.1", port, agent });
    const [response] = (await once(request, "response")) as [IncomingMessage];
    const closed = app.close();
    await expect.poll(() => app.server.listening).toBe(false);
    body.end("and ended");
    expect(await text(response)).toBe("begun, and ended");
    await closed;
  } finally {
    agent.destroy();
  }
}, 30_000);
