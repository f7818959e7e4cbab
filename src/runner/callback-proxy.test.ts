import { once } from "node:events";
import { createServer, type IncomingMessage, type Server } from "node:http";
import { connect, type AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import type { Callback } from "#execution/execute-run.js";
import { openCallbackProxy } from "./callback-proxy.js";

/** A server that tells what reaches it. */
let server: Server;
let callback: Callback;
let seen: { method: string; url: string; headers: IncomingMessage["headers"]; body: string }[] = [];
beforeAll(async () => {
  server = createServer((request, response) => {
    void text(request).then((body) => {
      const { method = "", url = "", headers } = request;
      seen.push({ method, url, headers, body });
      response.setHeader("connection", "x-hop, keep-alive");
      response.setHeader("x-hop", "of this connection");
      response.end(`${method} ${url}`);
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  callback = await openCallbackProxy(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
});
afterAll(async () => {
  callback.close();
  server.closeAllConnections();
  server.close();
  await once(server, "close");
});
beforeEach(() => {
  seen = [];
});

/** Sends bytes on a connection of its own, and returns everything that comes back. */
async function raw(bytes: string): Promise<string> {
  const socket = connect(callback.port, "127.0.0.1");
  socket.write(bytes);
  let answer = "";
  socket.setEncoding("utf8").on("data", (chunk: string) => {
    answer += chunk;
    // The answers that a test looks for are there.
    if (answer.includes("\r\n\r\n")) setTimeout(() => socket.destroy(), 100);
  });
  await once(socket, "close");
  return answer;
}

const get = (path: string): Promise<string> =>
  raw(`GET ${path} HTTP/1.1\r\nhost: anything\r\n\r\n`);

test("passes on what a run may reach, with the host of the server", async () => {
  expect(await get("/api/v1/agents?name=a%2Fb")).toContain("GET /api/v1/agents?name=a%2Fb");
  expect(seen[0]?.headers.host).toMatch(/^127\.0\.0\.1:\d+$/);
  const post = await raw(
    "POST /models/x/v1 HTTP/1.1\r\nhost: x\r\nauthorization: Bearer t\r\ncontent-length: 5\r\nconnection: x-own, content-length\r\nx-own: 1\r\n\r\nhello",
  );
  expect(post).toContain("POST /models/x/v1");
  expect(post).not.toContain("x-hop");
  expect(seen[1]).toMatchObject({ body: "hello", headers: { authorization: "Bearer t" } });
  expect(seen[1]?.headers).not.toHaveProperty("x-own");
});

test.each([
  "/",
  "/metrics",
  "/runner/v1/offers",
  "/apix",
  "/api/../runner/v1/offers",
  "/api/..\\runner/v1/offers",
  "/api\\..\\metrics",
  "/api/%2e%2e/metrics",
  "/api/%2E%2E%2Fmetrics",
  "/api/x%5c..%5cmetrics",
  "//127.0.0.1:1/api/",
  "http://127.0.0.1:1/api/",
  "/api/%zz",
])("does not pass on %s", async (path) => {
  expect(await get(path)).toMatch(/^HTTP\/1\.1 404/);
  expect(seen).toEqual([]);
});

test.each(["GET", "DELETE", "OPTIONS", "POST"])(
  "a %s with a chunked body is one request",
  async (method) => {
    const hidden = "POST /api/v1/hidden HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n";
    const chunk = `${hidden.length.toString(16)}\r\n${hidden}\r\n0\r\n\r\n`;
    const answer = await raw(
      `${method} /api/v1/shown HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n${chunk}`,
    );
    expect(answer).toContain(`${method} /api/v1/shown`);
    expect(seen.map(({ url, body }) => [url, body])).toEqual([["/api/v1/shown", hidden]]);
  },
);

test("one run uses a limited number of connections", async () => {
  const held: string[] = [];
  const slow = createServer((request) => {
    held.push(request.url ?? "");
  });
  slow.listen(0, "127.0.0.1");
  await once(slow, "listening");
  const own = await openCallbackProxy(`http://127.0.0.1:${(slow.address() as AddressInfo).port}`);
  const sockets = Array.from({ length: 100 }, (_, index) => {
    const socket = connect(own.port, "127.0.0.1");
    socket.on("error", () => undefined);
    socket.write(`GET /api/${index} HTTP/1.1\r\nhost: x\r\n\r\n`);
    return socket;
  });
  await expect.poll(() => held.length).toBe(32);
  await new Promise((resolve) => setTimeout(resolve, 200));
  expect(held).toHaveLength(32);
  for (const socket of sockets) socket.destroy();
  own.close();
  slow.closeAllConnections();
  slow.close();
  await once(slow, "close");
});
