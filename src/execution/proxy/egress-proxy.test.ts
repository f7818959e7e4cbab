/**
 * The proxy with real connections. Names resolve to this machine here, so the check of addresses is
 * replaced where a test is about something else.
 */
import { once } from "node:events";
import { createServer as createHttpServer, request, type IncomingMessage } from "node:http";
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { text } from "node:stream/consumers";
import { afterEach, describe, expect, it } from "vitest";
import { parseAllowedHost, type AllowedHost } from "#shared/execution/egress.js";
import { openEgressProxy, type EgressProxy } from "./open-egress.js";
import type { EgressConnection } from "./run-connections.js";

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

async function listening(server: Server): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  closing.push(() => server.close());
  return (server.address() as AddressInfo).port;
}

const http = (
  handler: (request: IncomingMessage, body: string) => [number, Record<string, string>, string],
): Promise<number> =>
  listening(
    createHttpServer((incoming, response) => {
      void text(incoming).then((sent) => {
        const [status, headers, body] = handler(incoming, sent);
        response.writeHead(status, headers).end(body);
      });
    }),
  );

async function proxyFor(
  hosts: string[],
  options: Partial<Parameters<typeof openEgressProxy>[0]> = {},
): Promise<{ proxy: EgressProxy; seen: EgressConnection[] }> {
  const seen: EgressConnection[] = [];
  const proxy = await openEgressProxy({
    allowed: hosts.map((host) => parseAllowedHost(host) as AllowedHost),
    onConnection: (connection) => seen.push(connection),
    resolve: async () => ["127.0.0.1"],
    refuse: () => null,
    ...options,
  });
  closing.push(() => proxy.close());
  return { proxy, seen };
}

async function get(
  { port }: EgressProxy,
  path: string,
  options: { method?: string; headers?: Record<string, string>; body?: string } = {},
) {
  const { body, ...rest } = options;
  const sent = request({ host: "127.0.0.1", port, path, agent: false, ...rest });
  sent.end(body);
  const [answer] = (await once(sent, "response")) as [IncomingMessage];
  return { status: answer.statusCode, headers: answer.headers, body: await text(answer) };
}

/** Writes raw bytes to the proxy and returns all that it answers. */
async function raw({ port }: EgressProxy, bytes: string): Promise<string> {
  const socket = connect(port, "127.0.0.1");
  socket.write(bytes);
  return text(socket);
}

describe("plain HTTP", () => {
  it("reaches an allowed host with method, body and headers, except those for the proxy", async () => {
    let got: IncomingMessage | undefined;
    const port = await http((incoming, body) => {
      got = incoming;
      return [201, { "x-answer": "yes", connection: "x-hop", "x-hop": "1" }, body.toUpperCase()];
    });
    const { proxy, seen } = await proxyFor([`allowed.test:${port}`]);
    const answer = await get(proxy, `http://Allowed.test:${port}/path?q=1`, {
      method: "POST",
      headers: { "proxy-authorization": "Basic x", "x-own": "own", host: "other.test" },
      body: "text",
    });
    expect(answer).toMatchObject({ status: 201, body: "TEXT" });
    expect(answer.headers).toMatchObject({ "x-answer": "yes" });
    expect(answer.headers["x-hop"]).toBeUndefined();
    expect(got).toMatchObject({ method: "POST", url: "/path?q=1" });
    expect(got?.headers).toMatchObject({ host: `allowed.test:${port}`, "x-own": "own" });
    expect(got?.headers["proxy-authorization"]).toBeUndefined();
    expect(seen).toMatchObject([{ host: "allowed.test", port, decision: "allowed" }]);
    expect(seen[0]?.bytesSent).toBeGreaterThan(4);
    expect(seen[0]?.bytesReceived).toBeGreaterThan(4);
  });

  it("keeps the framing of a body without a length", async () => {
    const port = await http((_incoming, body) => [200, {}, body]);
    const { proxy } = await proxyFor([`allowed.test:${port}`]);
    const inner = "GET http://evil.test/ HTTP/1.1\r\n\r\n";
    const chunk = `${inner.length.toString(16)}\r\n${inner}\r\n0\r\n\r\n`;
    const answer = await raw(
      proxy,
      `GET http://allowed.test:${port}/ HTTP/1.1\r\nhost: x\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n${chunk}`,
    );
    expect(answer).toMatch(/^HTTP\/1\.1 200 /);
    expect(answer).toContain(inner);
  });

  it("answers 502 when the host changes the protocol unasked", async () => {
    const port = await listening(
      createServer((socket) =>
        socket.end("HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n"),
      ),
    );
    const { proxy, seen } = await proxyFor([`allowed.test:${port}`]);
    expect(await get(proxy, `http://allowed.test:${port}/`)).toMatchObject({ status: 502 });
    expect(seen).toHaveLength(1);
  });

  it("serves one request per connection, and a limited number of connections", async () => {
    const waiting: Socket[] = [];
    const port = await listening(
      createServer((socket) => {
        socket.on("error", () => undefined);
        waiting.push(socket);
      }),
    );
    const { proxy, seen } = await proxyFor([`allowed.test:${port}`]);
    const line = `GET http://allowed.test:${port}/ HTTP/1.1\r\nhost: x\r\n\r\n`;
    const sockets = Array.from({ length: 300 }, () => {
      const socket = connect(proxy.port, "127.0.0.1");
      socket.on("error", () => undefined);
      socket.write(line.repeat(20));
      return socket;
    });
    await expect.poll(() => waiting.length).toBeGreaterThan(200);
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(waiting.length).toBeLessThanOrEqual(256);
    for (const socket of sockets) socket.destroy();
    await proxy.close();
    expect(seen.length).toBeLessThanOrEqual(300);
  });

  it("passes a redirect on without following it", async () => {
    const port = await http(() => [302, { location: "http://evil.test/" }, ""]);
    const { proxy, seen } = await proxyFor([`allowed.test:${port}`]);
    const answer = await get(proxy, `http://allowed.test:${port}/`);
    expect(answer).toMatchObject({ status: 302, headers: { location: "http://evil.test/" } });
    expect(seen).toHaveLength(1);
    expect(await get(proxy, "http://evil.test/")).toMatchObject({ status: 403 });
  });

  it("ends the response when the host ends the connection in the middle of it", async () => {
    const port = await listening(
      createServer((socket) => {
        socket.on("error", () => undefined);
        socket.once("data", () => {
          socket.write("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf");
          setTimeout(() => socket.destroy(), 20);
        });
      }),
    );
    const { proxy } = await proxyFor([`allowed.test:${port}`]);
    await expect(get(proxy, `http://allowed.test:${port}/`)).rejects.toThrow();
  });

  it("answers 502 for a host that is gone or talks nonsense", async () => {
    const nonsense = await listening(createServer((socket) => socket.end("nonsense\r\n\r\n")));
    const { proxy, seen } = await proxyFor([`allowed.test:${nonsense}`, "allowed.test:1"]);
    expect(await get(proxy, "http://allowed.test:1/")).toMatchObject({ status: 502 });
    expect(await get(proxy, `http://allowed.test:${nonsense}/`)).toMatchObject({ status: 502 });
    expect(seen[0]).toMatchObject({ decision: "failed" });
    expect(seen[0]?.reason).toContain("cannot be reached (ECONNREFUSED)");
    expect(seen[1]?.decision).toBe("allowed");
  });
});

describe("a tunnel", () => {
  it("carries bytes in both directions until one side ends", async () => {
    const port = await listening(
      createServer((socket) => {
        socket.on("data", (chunk) => socket.write(chunk.toString().toUpperCase()));
        socket.on("end", () => socket.end("bye"));
      }),
    );
    const { proxy, seen } = await proxyFor([`allowed.test:${port}`]);
    const socket = connect({ port: proxy.port, host: "127.0.0.1", allowHalfOpen: true });
    socket.write(`CONNECT allowed.test:${port} HTTP/1.1\r\nhost: x\r\n\r\nfirst `);
    await once(socket, "data");
    socket.end("second");
    expect(await text(socket)).toBe("FIRST SECONDbye");
    await expect.poll(() => seen).toMatchObject([{ decision: "allowed", bytesSent: 12 }]);
  });

  it("carries an upgraded connection", async () => {
    const server = createHttpServer();
    server.on("upgrade", (incoming: IncomingMessage, socket: Socket) => {
      socket.write(
        `HTTP/1.1 101 Switching Protocols\r\nupgrade: test\r\nconnection: upgrade\r\n\r\n${incoming.url} ${incoming.headers.host}`,
      );
      socket.on("data", (chunk) => socket.end(` got ${chunk.toString()}`));
    });
    const port = await listening(server);
    const { proxy } = await proxyFor([`allowed.test:${port}`]);
    const socket = connect(proxy.port, "127.0.0.1");
    socket.write(
      `GET http://allowed.test:${port}/chat HTTP/1.1\r\nhost: evil.test\r\nupgrade: test\r\nconnection: upgrade\r\n\r\n`,
    );
    const [first] = (await once(socket, "data")) as [Buffer];
    socket.write("hello");
    const all = first.toString() + (await text(socket));
    expect(all).toMatch(/^HTTP\/1\.1 101 /);
    expect(all).toContain(`/chat allowed.test:${port} got hello`);
  });

  it("relays another answer to an upgrade, and ends the connection", async () => {
    const port = await http(() => [200, { "x-answer": "plain" }, "no upgrade"]);
    const { proxy, seen } = await proxyFor([`allowed.test:${port}`]);
    const answer = await raw(
      proxy,
      `GET http://allowed.test:${port}/ HTTP/1.1\r\nhost: x\r\nupgrade: h2c\r\nconnection: upgrade\r\n\r\nGET http://allowed.test:${port}/second HTTP/1.1\r\nhost: x\r\n\r\n`,
    );
    expect(answer).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    expect(answer).toContain("connection: close");
    expect(answer.endsWith("no upgrade")).toBe(true);
    expect(seen).toMatchObject([{ decision: "allowed" }]);
  });

  it("is reported when it is still open at the end", async () => {
    const port = await listening(createServer((socket) => socket.on("error", () => undefined)));
    const { proxy, seen } = await proxyFor([`allowed.test:${port}`]);
    const socket = connect(proxy.port, "127.0.0.1");
    socket.on("error", () => undefined);
    socket.write(`CONNECT allowed.test:${port} HTTP/1.1\r\nhost: x\r\n\r\nsecret`);
    await once(socket, "data");
    await proxy.close();
    expect(seen).toMatchObject([{ decision: "allowed", bytesSent: 6 }]);
  });

  it("is closed with the proxy", async () => {
    const port = await listening(createServer((socket) => socket.on("error", () => undefined)));
    const { proxy, seen } = await proxyFor([`allowed.test:${port}`]);
    const socket = connect(proxy.port, "127.0.0.1");
    socket.on("error", () => undefined);
    socket.write(`CONNECT allowed.test:${port} HTTP/1.1\r\nhost: x\r\n\r\n`);
    await once(socket, "data");
    const closed = once(socket, "close");
    await proxy.close();
    await closed;
    await expect.poll(() => seen).toHaveLength(1);
  });
});

describe("a connection is denied", () => {
  it.each([
    ["CONNECT evil.test:443", "evil.test:443 is not on the allow-list"],
    ["CONNECT allowed.test:22", "allowed.test:22 is not on the allow-list"],
    ["CONNECT allowed.test.evil.test:443", "is not on the allow-list"],
    ["CONNECT 127.0.0.1:443", "127.0.0.1:443 is not on the allow-list"],
    ["CONNECT [::1]:443", "is not on the allow-list"],
    ["GET http://evil.test/", "evil.test:80 is not on the allow-list"],
    ["GET http://allowed.test@evil.test/", "evil.test:80 is not on the allow-list"],
    ["GET http://2130706433/", "127.0.0.1:80 is not on the allow-list"],
    ["GET http://0x7f.1/", "127.0.0.1:80 is not on the allow-list"],
    ["GET http://[::ffff:127.0.0.1]/", "is not on the allow-list"],
  ])("%s", async (line, reason) => {
    const { proxy, seen } = await proxyFor(["allowed.test"]);
    const answer = await raw(proxy, `${line} HTTP/1.1\r\nhost: allowed.test\r\n\r\n`);
    expect(answer).toMatch(/^HTTP\/1\.1 403 /);
    expect(answer).toContain(`egress: `);
    expect(answer).toContain(reason);
    expect(seen).toMatchObject([{ decision: "denied", reason: expect.stringContaining(reason) }]);
  });

  it.each([
    ["CONNECT :443", "a tunnel needs a host and a port"],
    ["CONNECT allowed.test", "a tunnel needs a host and a port"],
    ["CONNECT allowed.test:99999", "a tunnel needs a host and a port"],
    ["CONNECT user@allowed.test:443", "a tunnel needs a host and a port"],
    ["GET /", "a proxy needs an absolute http URL"],
    ["GET https://allowed.test/", "https needs a tunnel"],
    ["GET ftp://allowed.test/", "a proxy needs an absolute http URL"],
    ["GET http:///", "a proxy needs an absolute http URL"],
  ])("%s (malformed)", async (line, reason) => {
    const { proxy, seen } = await proxyFor(["allowed.test"]);
    const answer = await raw(proxy, `${line} HTTP/1.1\r\nhost: allowed.test\r\n\r\n`);
    expect(answer).toMatch(/^HTTP\/1\.1 400 /);
    expect(answer).toContain(reason);
    expect(seen).toMatchObject([{ decision: "denied", reason: expect.stringContaining(reason) }]);
  });

  it("to HTTP/2 without a tunnel, and to bytes that are no HTTP", async () => {
    const { proxy, seen } = await proxyFor(["allowed.test"]);
    expect(await raw(proxy, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")).not.toMatch(/ 200 /);
    expect(await raw(proxy, "\u0005\u0001\u0000")).not.toMatch(/ 200 /);
    expect(seen.filter(({ decision }) => decision === "allowed")).toEqual([]);
  });

  it("for a name with a private address, also among public ones", async () => {
    const { proxy, seen } = await proxyFor(["allowed.test"], {
      resolve: async () => ["1.1.1.1", "10.0.0.1"],
      refuse: undefined as never,
    });
    const answer = await raw(proxy, "CONNECT allowed.test:443 HTTP/1.1\r\nhost: x\r\n\r\n");
    expect(answer).toContain("allowed.test resolves to 10.0.0.1, which is not public");
    expect(seen[0]?.reason).toContain("resolves to 10.0.0.1");
  });

  it("for a name with very many addresses, and a very long name", async () => {
    const { proxy, seen } = await proxyFor(["allowed.test"], {
      resolve: async () => Array.from({ length: 1000 }, () => "1.1.1.1"),
    });
    const line = (host: string) => `CONNECT ${host}:443 HTTP/1.1\r\nhost: x\r\n\r\n`;
    expect(await raw(proxy, line("allowed.test"))).toContain("more than 32 addresses");
    expect(await raw(proxy, line("a".repeat(50_000)))).toContain("the host name is too long");
    expect(seen).toMatchObject([{ decision: "denied" }, { decision: "denied", host: "" }]);
  });

  it("for a name without an address", async () => {
    const { proxy } = await proxyFor(["allowed.test"], {
      resolve: () => Promise.reject(new Error("ENOTFOUND")),
    });
    const answer = await raw(proxy, "CONNECT allowed.test:443 HTTP/1.1\r\nhost: x\r\n\r\n");
    expect(answer).toMatch(/^HTTP\/1\.1 502 /);
    expect(answer).toContain("allowed.test cannot be resolved");
  });

  it("and the address that was checked is the one connected to", async () => {
    const port = await listening(createServer((socket) => socket.end("first")));
    let asked = 0;
    const { proxy } = await proxyFor([`allowed.test:${port}`], {
      // A second answer would be another machine.
      resolve: async () => [asked++ === 0 ? "127.0.0.1" : "10.255.255.1"],
    });
    const answer = await raw(proxy, `CONNECT allowed.test:${port} HTTP/1.1\r\nhost: x\r\n\r\n`);
    expect(answer).toContain("first");
    expect(asked).toBe(1);
  });
});
