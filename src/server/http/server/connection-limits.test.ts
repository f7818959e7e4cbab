import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startTestApp, type TestApp } from "#test/support/server/app.js";
import { openConnection, slowBody } from "#test/support/http/raw-connection.js";
import { send } from "#test/support/http/raw-request.js";

describe("slow and malformed requests", () => {
  let app: TestApp;
  beforeAll(async () => {
    app = await startTestApp({ OMOI_REQUEST_TIMEOUT_SECONDS: "1" });
  });
  afterAll(() => app.close());

  test("300 slow bodies are 408, and other requests are served meanwhile", async () => {
    const slow = Array.from({ length: 300 }, () => openConnection(app, slowBody));
    const dripping = setInterval(() => slow.forEach(({ socket }) => socket.write(" ")), 300);
    expect((await send(app, "GET", "/healthz")).status).toBe(200);
    const answers = await Promise.all(slow.map(({ answer }) => answer));
    clearInterval(dripping);
    for (const answer of answers) {
      expect(answer).toMatch(/^HTTP\/1\.1 408 /);
      expect(answer).toContain('"code":"request_timeout"');
    }
    expect((await send(app, "GET", "/healthz")).status).toBe(200);
  });

  test("slow headers are 408", async () => {
    const { answer } = openConnection(app, "GET /healthz HTTP/1.1\r\nhost: x\r\n");
    expect(await answer).toMatch(/^HTTP\/1\.1 408 .*application\/problem\+json/s);
    expect(await answer).toContain('"code":"request_timeout"');
  });

  test.each([
    ["no HTTP", "hello\r\n\r\n"],
    ["two lengths", "GET / HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n"],
  ])("%s is answered with a problem document", async (_what, text) => {
    const { answer } = openConnection(app, text);
    expect(await answer).toMatch(/^HTTP\/1\.1 400 .*application\/problem\+json/s);
    expect(JSON.parse((await answer).split("\r\n\r\n")[1] as string)).toMatchObject({
      code: "bad_request",
      status: 400,
    });
  });

  /** A request whose address, names and values of headers have this many bytes together. */
  const withHeaders = (bytes: number): string => {
    const counted = "/healthzhostxconnectionclosea".length;
    return `GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\na: ${"a".repeat(bytes - counted)}\r\n\r\n`;
  };

  test("headers below 16 KiB are accepted", async () => {
    const { answer } = openConnection(app, withHeaders(16 * 1024 - 1));
    expect(await answer).toMatch(/^HTTP\/1\.1 200 /);
  });

  test.each([
    ["16 KiB", 16 * 1024],
    ["100 KiB", 100 * 1024],
    // More than a socket buffers, so that the client still sends while the server answers.
    ["16 MiB", 16 * 1024 * 1024],
  ])("headers of %s are 431 with a problem document that arrives", async (_what, bytes) => {
    const { socket, answer } = openConnection(app, withHeaders(bytes));
    const errors: Error[] = [];
    socket.on("error", (error) => errors.push(error));
    const [head = "", body = ""] = (await answer).split("\r\n\r\n");
    expect(head).toMatch(/^HTTP\/1\.1 431 .*application\/problem\+json/s);
    expect(JSON.parse(body)).toMatchObject({ code: "headers_too_large", status: 431 });
    expect(errors).toEqual([]);
  });

  test("an unread body closes the connection", async () => {
    const { answer } = openConnection(
      app,
      "GET /healthz HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n",
    );
    expect(await answer).toMatch(/^HTTP\/1\.1 200 /);
  });

  test("a body in time keeps its connection alive", async () => {
    const body = '{"email":"nobody@example.com","password":"x"}';
    const head = `POST /api/v1/auth/login HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n`;
    const { socket, answer } = openConnection(app, `${head}\r\n${body}`);
    await new Promise((resolve) => setTimeout(resolve, 1500));
    socket.write(`${head}connection: close\r\n\r\n${body}`);
    expect((await answer).match(/HTTP\/1\.1 401 /g)).toHaveLength(2);
  });
});

describe("connections of one address", () => {
  let app: TestApp;
  beforeAll(async () => {
    app = await startTestApp({ OMOI_MAX_CONNECTIONS_PER_ADDRESS: "5" });
  });
  afterAll(() => app.close());

  test("beyond the limit are rejected until others close", async () => {
    const held = Array.from({ length: 5 }, () => openConnection(app, ""));
    await Promise.all(
      held.map(({ socket }) => new Promise((resolve) => socket.once("connect", resolve))),
    );
    const refused = openConnection(app, "");
    expect(await refused.answer).toMatch(/^HTTP\/1\.1 429 .*retry-after: 10/s);
    held[0]?.socket.destroy();
    await expect
      .poll(async () => {
        const { answer } = openConnection(
          app,
          "GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
        );
        return (await answer).slice(0, 12);
      })
      .toBe("HTTP/1.1 200");
    held.forEach(({ socket }) => socket.destroy());
  });
});
