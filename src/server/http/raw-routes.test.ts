import { once } from "node:events";
import { request as httpRequest, type IncomingMessage } from "node:http";
import type { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { gzipSync } from "node:zlib";
import { pino } from "pino";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Answer } from "./answers/answer.js";
import { rawRoutes } from "./raw-routes.js";
import { gunzip } from "./requests/limit-bytes.js";
import { createHttpServer } from "./server/create-http-server.js";

const TYPE = "application/x-test";
const MAX_BYTES = 1000;

describe("a body that a handler reads as a stream", () => {
  let url: string;
  let close: () => Promise<void>;
  beforeAll(async () => {
    const config = {
      trustedProxies: [],
      requestTimeoutSeconds: 60,
      maxConnectionsPerAddress: 0,
      corsOrigins: [],
      forgePrivateHosts: false,
    };
    const log = pino({ level: "silent" });
    const { app } = await createHttpServer(
      config,
      log,
      () => "http://localhost",
      () => {},
    );
    const read = async (body: unknown) => new Answer(`${(await text(body as Readable)).length}`);
    rawRoutes(
      [
        { method: "POST", path: "/plain", handle: ({ body }) => read(body) },
        {
          method: "POST",
          path: "/zipped",
          handle: ({ body }) => read(gunzip(body as Readable, 10 * MAX_BYTES)),
        },
        {
          method: "POST",
          path: "/refused",
          handle: ({ body }) => {
            (body as Readable).destroy();
            throw new Error("refused");
          },
        },
      ],
      { bodies: { [TYPE]: MAX_BYTES } },
    )(app, {} as never);
    url = await app.listen({ port: 0, host: "127.0.0.1" });
    close = () => app.close();
  });
  afterAll(() => close());

  /** Sends a body in pieces, and reads the answer only after all of them. */
  const post = async (path: string, pieces: readonly Buffer[]) => {
    const client = httpRequest(url + path, {
      method: "POST",
      agent: false,
      headers: { "content-type": TYPE },
    });
    const answered = once(client, "response") as Promise<[IncomingMessage]>;
    for (const piece of pieces) if (!client.write(piece)) await once(client, "drain");
    client.end();
    const [response] = await answered;
    return { status: response.statusCode, body: await text(response) };
  };

  test("is limited in bytes", async () => {
    expect(await post("/plain", [])).toEqual({ status: 200, body: "0" });
    const most = Buffer.alloc(MAX_BYTES);
    expect(await post("/plain", [most])).toEqual({ status: 200, body: `${MAX_BYTES}` });
    const { status, body } = await post("/plain", [most, Buffer.alloc(1)]);
    expect([status, JSON.parse(body)]).toEqual([
      413,
      expect.objectContaining({
        code: "body_too_large",
        detail: `The body is larger than ${MAX_BYTES} bytes; send less.`,
      }),
    ]);
  });

  test("is limited in bytes after its compression, too", async () => {
    const zip = (bytes: number): Buffer => gzipSync(Buffer.alloc(bytes));
    const most = 10 * MAX_BYTES;
    expect(await post("/zipped", [zip(most)])).toEqual({ status: 200, body: `${most}` });
    expect((await post("/zipped", [zip(most + 1)])).status).toBe(413);
    // Empty members unpack to nothing.
    const empty = zip(0);
    const members = Array.from({ length: MAX_BYTES / empty.length + 1 }, () => empty);
    expect((await post("/zipped", members)).status).toBe(413);
    expect((await post("/zipped", [Buffer.from("no gzip")])).status).toBe(500);
  });

  test("is read to its end before an error is sent", async () => {
    const pieces = Array.from({ length: 500 }, () => Buffer.alloc(65_536));
    expect((await post("/plain", pieces)).status).toBe(413);
    expect((await post("/refused", pieces)).status).toBe(500);
  });

  test("may end early", async () => {
    for (const path of ["/plain", "/zipped", "/refused"]) {
      const client = httpRequest(url + path, {
        method: "POST",
        agent: false,
        headers: { "content-type": TYPE, "content-length": MAX_BYTES },
      });
      client.on("error", () => {});
      client.write(Buffer.alloc(MAX_BYTES / 2));
      await once(client, "socket");
      client.destroy();
    }
    expect((await post("/plain", [])).status).toBe(200);
  });
});
